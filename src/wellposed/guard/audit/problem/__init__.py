"""The audit of a problem: questions about data, networks, loss and plan together."""

from .ask import audit_problem
from .rehearsal import Rehearsal
from .statement import Between, Observation, Problem, Yardstick

__all__ = ["Between", "Observation", "Problem", "Rehearsal", "Yardstick", "audit_problem"]
