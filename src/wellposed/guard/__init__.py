"""The training guard: finds what goes wrong in a run, and keeps what is not finite off the weights.

It needs torch and the standard library only; a copy of this folder works under any name.
In somebody else's loop it takes three lines:

    from wellposed.guard import Guard

    guard = Guard(model, optimizer, veto=True)                              # 1
    for step, (noisy, clean) in enumerate(loader):
        estimate = model(noisy)
        terms = {"l1": (estimate - clean).abs().mean()}
        optimizer.zero_grad()
        sum(terms.values()).backward()
        if guard.step(step, terms, estimate=estimate, reference=clean):     # 2
            optimizer.step()
    print(guard.report())                                                   # 3
"""

from .audit import Audit, Items, audit_loss, audit_objective
from .audit.problem import Problem, audit_problem
from .blackbox import Alarm, load_batch, save_batch
from .findings import Finding, Severity, Suspect
from .locate import Location, locate
from .plan import Criterion, Plan
from .recorder import FlightRecorder
from .rules import rule, rule_codes
from .watch import Guard

__all__ = [
    "Alarm",
    "Audit",
    "Criterion",
    "Finding",
    "FlightRecorder",
    "Guard",
    "Items",
    "Location",
    "Plan",
    "Problem",
    "Severity",
    "Suspect",
    "audit_loss",
    "audit_objective",
    "audit_problem",
    "load_batch",
    "locate",
    "rule",
    "rule_codes",
    "save_batch",
]
