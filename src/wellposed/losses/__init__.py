"""What is wanted: every loss maps (estimate, reference) to one value per example."""
