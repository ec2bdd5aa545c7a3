"""What a person sees: one self-contained page for a run."""

from wellposed.report.page import write_report

__all__ = ["write_report"]
