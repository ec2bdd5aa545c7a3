"""What a person sees: one self-contained page for a run."""

from wellposed.report.notebook import Report
from wellposed.report.page import write_report

__all__ = ["Report", "write_report"]
