"""What to try for the operations that most often turn finite numbers into something else."""

_ADVICE = {
    "log": "a floor inside the logarithm, relative to the level of the data",
    "sqrt": "a floor inside the root: its slope at 0 is infinite; or use the square",
    "norm": "a floor inside the norm: its slope at 0 is not defined; or use the square",
    "div": "a floor under the denominator, relative to its usual size",
    "reciprocal": "a floor under the denominator, relative to its usual size",
    "pow": "a floor under the base: a power below 1 has an infinite slope at 0",
    "exp": "bound or normalise the input: exp overflows float32 at 88, float16 at 11",
    "softmax": "a row that is masked completely has no softmax: give it one open place",
    "eigh": "equal eigenvalues: a projector, a solve or eigenvalues only, jitter relative to the "
    "trace, or no gradient through the eigenvectors",
    "svd": "equal or zero singular values: singular values only, or jitter relative to the largest",
    "cholesky": "jitter on the diagonal relative to the trace, or fewer sources than sensors",
    "inv": "a solve with loading relative to the trace in place of the inverse",
    "solve": "loading on the diagonal relative to the trace",
    "angle": "a complex or cosine distance weighted by magnitude: the angle at 0 is not defined",
    "atan2": "a complex or cosine distance weighted by magnitude: the angle at 0 is not defined",
    "acos": "keep the argument away from -1 and 1, or use atan2: the slope there is infinite",
    "asin": "keep the argument away from -1 and 1, or use atan2: the slope there is infinite",
    "std": "a floor inside the root of the variance: its slope is infinite for a constant signal",
    "input": "look at the batch: its numbers are not finite before the network sees them",
    "parameter": "go back to an earlier checkpoint: the weights were not finite before this step",
    "buffer": "go back to an earlier checkpoint: a buffer was not finite before this step",
}


def advice_for(operation: str) -> str:
    """What to try for a torch call (`log`) or autograd node (`LogBackward0`)."""
    name = operation.lower().split("backward")[0]
    known = [key for key in _ADVICE if key in name]
    # The longest key is the most particular one.
    return _ADVICE[max(known, key=len)] if known else "keep the inputs of this operation in range"
