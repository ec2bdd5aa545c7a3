"""The audit: what can be known of a loss before any money is spent on training with it."""

from .loss import audit_loss
from .probes import Probes
from .verdict import Answer, Audit

__all__ = ["Answer", "Audit", "Probes", "audit_loss"]
