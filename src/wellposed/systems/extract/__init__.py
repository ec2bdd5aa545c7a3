"""Target-speaker extraction: one voice out of a mixture, and silence where it is not."""
