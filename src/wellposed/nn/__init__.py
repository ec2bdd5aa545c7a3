"""What learns: layers with plain arguments, without recipes, files or global randomness."""
