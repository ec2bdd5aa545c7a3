"""The guard in the loops of others, `loop` (plain PyTorch, Accelerate) and `lightning`; `trackers`.

Nothing is imported here, so that each framework is loaded only by whoever uses it.
"""
