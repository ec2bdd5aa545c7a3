"""WP115: a parameter requires grad and receives one, but no optimizer has it.

Signal: the set of parameters with a gradient minus the set in all optimizers that the guard knows.
Threshold E: set equality; and it did not change by one bit up to the next step, or an
optimizer that the guard does not know moves it. Where no parameter of a network is in an optimizer
it rests on purpose (a judge of the output): INFO, as in fine-tuning.
"""

from ..evidence import Evidence
from ..findings import Finding, Severity, Suspect

CODES = ("WP115",)
READS = "orphans"


def check(evidence: Evidence) -> Finding | None:
    """Name the first ones of the network in which others are held."""
    record = evidence.of("orphans")[-1]
    networks = {name: each for name, each in record.table.items() if "held" in each}
    network = max(networks, key=lambda name: networks[name]["held"] > 0)
    count, held = int(networks[network]["count"]), int(networks[network]["held"])
    names = [name for name, each in record.table.items() if not each]
    meant = held == 0 or evidence.plan.fine_tuning
    return Finding(
        code="WP115",
        title=f"{names[0]} receives a gradient, but no optimizer has it",
        severity=Severity.INFO if meant else Severity.WARN,
        step=record.step,
        since_step=record.step,
        evidence={
            "subject": network,
            "without_optimizer": count,
            "with_optimizer": held,
            "parameters": ", ".join(names),
        },
        suspects=(
            Suspect("a parameter made later", "is it there when the optimizer is made?"),
            Suspect("a list of parameters", "compare it with model.parameters()"),
            Suspect("an optimizer unknown to the guard", "hand it over: Guard(models, {...})"),
        ),
        advice="make the optimizer after the network is whole; requires_grad_(False) saves the "
        "gradient of what shall not learn",
    )
