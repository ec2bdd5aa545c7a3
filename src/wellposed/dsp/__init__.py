"""What a signal is: pure functions and constants on tensors; no files, no randomness, no state."""
