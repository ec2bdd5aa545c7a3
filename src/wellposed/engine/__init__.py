"""How a run runs: recipe, loop, checkpoints, validation, history; knows no system by name."""
