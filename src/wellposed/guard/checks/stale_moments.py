"""WP313: what the optimizer remembers does not fit the gradient, since the loss has changed.

Signal: the names of the terms have changed while the optimizer remembers gradients: INFO, by set
equality (E), at that step. And of the three steps since, or after a resume: the cosine between the
running mean of gradients and the fresh one, and the energy, the log of the fresh squares over their
running mean. Threshold S: all three cosines below all n looks before, or all three energies outside
of them. Were nothing changed, that had the chance 3 / C(n + 3, 3) at most (three sides), which must
be below the declared budget over all changes. A mere resume is told only then; INFO as well,
since the means forget. WARN where the old mean points against the new gradient: all three cosines
below 0 and below all before, of which most were above 0.
"""

import math
from collections.abc import Mapping

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect
from ..instruments.moments import chance, is_outside

CODES = ("WP313",)
READS = "moments"


def check(evidence: Evidence) -> list[Finding]:
    """Judge each optimizer that has shown something."""
    record = evidence.of("moments")[-1]
    return [_finding(record.step, name, about) for name, about in record.table.items()]


def _finding(step: int, name: str, about: Mapping[str, float]) -> Finding:
    rare, turned = about["rare"] > 0, is_outside(about, "cosine") < 0
    against = rare and turned and about["cosine_highest"] < 0 < about["past_cosine_median"]
    # Told anew when the gradients have spoken.
    place = f"{name} {'after' if rare else 'at'} change {int(about['changes'])}"
    facts: dict[str, float | int | str] = {"subject": place}
    facts |= {key: value for key, value in about.items() if "cosine" in key}
    facts["looks_before"] = int(about["looks"])
    if rare:
        facts["outside_by_chance"] = chance(int(about["looks"]))
    symptom = "the optimizer remembers another loss"
    if rare and turned:
        symptom = (
            f"the momentum turned from the gradient (cosine {about['cosine_median']:.2f}, "
            f"{about['past_cosine_median']:.2f} before)"
        )
    elif rare:
        factor = math.exp((about["energy_median"] - about["past_energy_median"]) / 2)
        facts["gradient_over_remembered_size"] = factor
        symptom = f"the gradient became {factor:.2g} times what the optimizer remembers"
    when = "the terms of the loss changed" if about["renamed"] else "the run was resumed"
    return Finding(
        code="WP313",
        title=f"{symptom} when {when}",
        severity=Severity.WARN if against else Severity.INFO,
        step=step,
        since_step=step - int(about["steps"]) + 1,
        evidence=facts,
        suspects=(
            Suspect("moments of the old loss", "the same steps with a fresh optimizer"),
            Suspect("the new loss", "fresh moments point along it as before: it is consistent"),
        ),
        advice="a fresh optimizer state and a short warm-up after the loss has changed",
    )
