"""Every injected fault is found and named right; a few in seconds, the others as slow tests."""

from typing import Any

import pytest

from wellposed.faults.injections import all_faults
from wellposed.faults.trial import attempt

QUICK: dict[str, dict[str, Any]] = {
    name: {"until": 24, "validation__every": 12, "validation__scenes": 4}
    for name in (
        "log-of-zero", "root-of-zero", "equal-eigenvalues", "hidden-behind-mask", "nan-in-weight",
        "nan-in-moment", "silent-targets-few", "silent-targets-many", "late-targets",
        "other-targets", "left-out-of-optimizer", "frozen-that-moves", "gradients-not-cleared",
        "evaluation-mode-in-training", "training-mode-in-validation", "best-without-average",
        "silent-output", "critic-not-begun", "metric-fails", "nan-in-validation",
        "criterion-unmet", "tied-eigenvalues", "tied-by-svd", "blended-with-the-label",
        "conjugate-steering",
    )
}  # fmt: skip
"""Faults that show in their first steps: 24 of 96 steps."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in all_faults()],
)
def test_the_fault_is_found_and_named_right(name):
    trial = attempt(all_faults()[name](), **QUICK.get(name, {}))
    assert trial.verdict == "right", trial.found
    assert trial.delay is not None
    # What is lasting takes as many steps as chance could agree for; see docs/faults.md.
    assert trial.shows == "lasting" or 0 <= trial.delay <= 1
