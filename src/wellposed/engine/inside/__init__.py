"""Looking inside networks: what passes through, where two part, what a clamp would do."""
