"""What is true: scores of a signal against its reference, with their uncertainty."""
