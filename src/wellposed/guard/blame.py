"""From one bad row, what went before it and a replay to the `Finding` that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .findings import Finding, Severity, Suspect
from .finite import TERM
from .locate import Location
from .operations import advice_for
from .origin import OUTSIDE
from .rows import Row

SHOWN = 4
"""Names listed of parameters and of hidden values; the count is always given."""

_STATE = Suspect("the weights", "the same batch on the checkpoint before: finite convicts them")
_BATCH = Suspect("the batch", "another batch on the same weights: finite convicts it, in part")


def nonfinite(
    row: Row,
    before: Mapping[str, float | int],
    names: Sequence[str],
    bad: Sequence[str] | None = None,
    place: Location | None = None,
) -> Finding:
    """WP301 if a term is not finite, else WP302.

    `names` are all watched parameters, `bad` those whose gradient holds NaN or infinity in
    backward order (None: not known, since the gradients are gone), `before` the trend of the
    last rows.
    """
    too_large = row.terms_finite and bad == []
    evidence: dict[str, float | int | str] = {"kind": "too large"} if too_large else {}
    where = _where(row, names, bad or (), place, evidence)
    evidence |= _measured(row, names, bad or ()) | dict(before)
    origin = None if place is None else place.origin
    accused = []
    if origin is not None:
        part = "the loss" if origin.module == OUTSIDE else origin.module
        accused.append(Suspect(origin.operation, f"run {part} in float64"))
    if row.terms_finite:
        what = "the loss is finite, its gradient is not"
        if too_large:
            what = "the gradient is finite, but too large for a norm in float32"
    else:
        terms = [key.removeprefix(TERM) for key in _bad_terms(row)]
        what = f"the loss is not finite (term {', '.join(terms)})"
    return Finding(
        code="WP302" if row.terms_finite else "WP301",
        title=f"{what}; {where}",
        severity=Severity.FAIL,
        step=row.step,
        since_step=row.step,
        evidence=evidence,
        suspects=(*accused, _STATE, _BATCH),
        advice=_advice(row, place),
    )


def with_evidence(finding: Finding, **more: float | int | str) -> Finding:
    """The finding with more evidence at the end."""
    return replace(finding, evidence={**finding.evidence, **more})


def _where(
    row: Row,
    names: Sequence[str],
    bad: Sequence[str],
    place: Location | None,
    evidence: dict[str, float | int | str],
) -> str:
    if place is not None and place.origin is not None:
        origin = place.origin
        evidence |= {"module": origin.module, "operation": origin.operation}
        evidence |= {"line": origin.line} if origin.line else {}
        evidence |= {"values": origin.values}
        if origin.inputs:
            key = "operation_inputs" if place.phase == "forward" else "arriving_gradient"
            evidence[key] = origin.inputs
        _notes(place, evidence)
        if origin.module == OUTSIDE:
            return f"first {OUTSIDE}: {origin.operation}"
        return f"first in {origin.module}: {origin.operation}"
    if place is not None:
        _notes(place, evidence)
        if not row.terms_finite and not place.note:
            evidence |= {"module": OUTSIDE}
            return f"{OUTSIDE}, between the networks' outputs and the loss"
    first = bad[0] if bad else _first_bad(row, names)
    return f"first in backward order: {first}" if first else "where is not known without a replay"


def _notes(place: Location, evidence: dict[str, float | int | str]) -> None:
    if place.phase == "nowhere" and not place.note:
        evidence["replay"] = "finite: not reproduced"
    if place.note:
        evidence["replay"] = place.note
    if place.hidden:
        shown = "; ".join(str(each) for each in place.hidden[:SHOWN])
        evidence["hidden_values"] = f"{len(place.hidden)}: {shown}"


def _measured(row: Row, names: Sequence[str], bad: Sequence[str]) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {key: row.values[key] for key in _bad_terms(row)}
    found["gradient_norm"] = row.values["gradient_norm"]
    for signal in ("estimate_rms", "reference_rms"):
        if not abs(row.values[signal]) < float("inf"):
            found[signal] = row.values[signal]
    if bad:
        found["bad_parameters"] = f"{len(bad)} of {len(names)}: {', '.join(bad[:SHOWN])}"
    elif not row.gradients_finite:
        first = _first_bad(row, names)
        count = int(row.values["bad_gradients"])
        found["bad_parameters"] = f"{count} of {len(names)}" + (f": {first}" if first else "")
    return found


def _advice(row: Row, place: Location | None) -> str:
    if place is None or place.origin is None:
        return "guard.step(..., replay=...) with veto=True names the module and the operation"
    if place.origin.operation == "the loss":
        return "guard.step(..., replay=...) names the operation in the loss"
    return advice_for(place.origin.operation)


def _bad_terms(row: Row) -> list[str]:
    return [
        key
        for key, value in row.values.items()
        if key.startswith(TERM) and not abs(value) < float("inf")
    ]


def _first_bad(row: Row, names: Sequence[str]) -> str:
    index = int(row.values["first_bad_gradient"])
    return names[index] if 0 <= index < len(names) else ""
