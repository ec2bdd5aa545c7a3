"""What a guard has found, as a notebook shows it: a small page of its own that runs no script."""

from collections.abc import Sequence
from html import escape

from .findings import Finding

COLOURS = {"FAIL": "#b3261e", "WARN": "#8a5a00", "INFO": "#59606c"}
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1b1e24;background:#fff;margin:.5rem}"
    "summary{cursor:pointer}pre{white-space:pre-wrap;margin:.25rem 0 .75rem}"
)
HEIGHT_PX = 60
PER_FINDING_PX = 30


def html_of(head: str, findings: Sequence[Finding]) -> str:
    """An `<iframe>` with the line of a report and its findings, each to be unfolded.

    Sandboxed without permissions: what a finding quotes from a run stays text there.
    """
    parts = [f"<p>{escape(head)}</p>"]
    for finding in findings:
        colour = COLOURS[finding.severity]
        title = escape(f"{finding.code} at step {finding.step}: {finding.title}")
        parts.append(
            f'<details><summary><b style="color:{colour}">{finding.severity}</b> {title}</summary>'
            f"<pre>{escape(finding.text())}</pre></details>"
        )
    page = f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{"".join(parts)}'
    height = HEIGHT_PX + PER_FINDING_PX * min(len(findings), 12)
    return (
        f'<iframe sandbox srcdoc="{escape(page)}" title="Report of the guard" width="100%" '
        f'height="{height}" style="border:1px solid #8888;resize:vertical"></iframe>'
    )
