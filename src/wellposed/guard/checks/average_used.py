"""WP212: the weights that are kept as the best are not those that were validated.

Signal: a digest of the kept weights and of the validated ones. Threshold: equal bits [E].
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP212",)
READS = "kept"


def check(evidence: Evidence) -> Finding | None:
    """Judge the last weights that were kept."""
    record = evidence.of("kept")[-1]
    row = record.table["weights"]
    if row["same"]:
        return None
    live = bool(row["live"])
    what = "those in the networks now" if live else "neither those nor the ones in the networks"
    return Finding(
        "WP212",
        f"the weights kept as the best were not validated: they are {what}",
        Severity.FAIL,
        record.step,
        record.step,
        {"validated_step": int(row["validated_step"]), "equal_those_in_networks": int(live)},
        (
            Suspect("average", "validate the live weights instead: do the kept ones match then?"),
            Suspect("order", "keep the weights before anything else follows the validation"),
        ),
        "write the very tensors that were measured: the average, while it is in the networks",
    )
