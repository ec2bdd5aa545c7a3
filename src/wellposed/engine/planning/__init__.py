"""What a run will cost, measured before the money is spent."""
