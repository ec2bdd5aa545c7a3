"""A run once more: a step replayed, and a resume rehearsed state by state."""
