"""What a run keeps on disk: files that appear whole or not at all, and know when damaged."""
