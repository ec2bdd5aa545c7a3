"""The audit: what can be known of a loss before any money is spent on training with it."""

from .loss import audit_loss
from .objective import audit_objective
from .probes import Probes
from .terms import Items
from .verdict import Answer, Audit, merged

__all__ = ["Answer", "Audit", "Items", "Probes", "audit_loss", "audit_objective", "merged"]
