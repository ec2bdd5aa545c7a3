"""What a run says on a terminal and in its log."""
