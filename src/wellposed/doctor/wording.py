"""What a person reads: columns and their meanings, findings, what was not judged and why."""

from collections.abc import Iterator, Sequence
from textwrap import fill

from wellposed.doctor.diagnosis import Diagnosis
from wellposed.doctor.meaning import IN_WORDS, Meaning
from wellposed.doctor.run import Run
from wellposed.guard.findings import Finding, Severity
from wellposed.guard.rules import rule_codes, rule_name

WIDTH = 100
_SHOWN = 10
"""Lines of problems, and names of unused columns, that are printed; JSON has all."""


def columns_text(run: Run) -> str:
    """The guess as a table: column, meaning, why."""
    used = [each for each in run.columns.values() if each.meaning is not Meaning.UNUSED]
    rows = [("column", "is taken for", "because")]
    rows += [(each.name, IN_WORDS[each.meaning], each.why) for each in used]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    unused = [each for each in run.columns.values() if each.meaning is Meaning.UNUSED]
    if unused:
        said = [f"{each.name} ({each.why})" for each in unused[:_SHOWN]]
        said += [f"and {len(unused) - _SHOWN} more"] if len(unused) > _SHOWN else []
        lines.append(_block(", ".join(said), "  not used: "))
    return "\n".join(lines)


def heading(run: Run) -> str:
    """Which log it is and how far it goes."""
    table, order = run.table, run.order
    if run.axis == "row":
        return f"{table.name}: {table.rows} rows, no column of steps or epochs"
    first, last = run.x(order[0]), run.x(order[-1])
    return f"{table.name}: {table.rows} rows, {run.axis} {first:.10g} to {last:.10g}"


def reading_text(run: Run) -> str:
    """What was not read as it stands: lines that are not used, and notes; "" if nothing."""
    problems = run.table.problems
    lines = [f"  not read: {each.where}: {each.what}" for each in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  not read: {len(problems) - _SHOWN} more; --json names them all")
    return "\n".join([*lines, *(_block(each, "  note: ") for each in run.table.notes)])


def choosing_text(run: Run) -> str:
    """By what the best checkpoint was chosen, as far as the log shows it."""
    metric, row = run.selecting, run.best_row
    if row is None:
        return "  best checkpoint: not known, no validation metric and no mark"
    by = metric.name if metric else "a metric that is not in this log"
    how = "marked in the log" if run.marked else "as said" if run.select else "assumed; --select"
    return f"  best checkpoint: {run.text(row)}, chosen by {by} ({how})"


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Findings, most severe first, then what could not be judged."""
    run = diagnosis.run
    parts = [finding_text(each, run.axis) for each in diagnosis.findings]
    if not parts:
        parts.append("Nothing found in what could be judged.")
    if diagnosis.unjudged:
        lines = [
            _block(f"{question} needs {lack}", "    ") for question, lack in diagnosis.unjudged
        ]
        parts.append("\n".join(["Not judged:", *lines]))
    return "\n\n".join(parts)


def finding_text(finding: Finding, axis: str) -> str:
    """One finding; like `Finding.text`, with the log's own axis and broken into lines."""
    name = f" {rule_name(finding.code)}" if finding.code in rule_codes() else ""
    since = f" since {axis} {finding.since_step}" if finding.since_step != finding.step else ""
    first = f"{finding.severity} {finding.code}{name} at {axis} {finding.step}{since}:"
    lines = [first, _block(finding.title, "    ")]
    lines += [_block(f"{key.replace('_', ' ')}: {said}", "      ") for key, said in _facts(finding)]
    lines += [_block(f"suspect {e.name}: {e.intervention}", "    ") for e in finding.suspects]
    lines += [_block(f"try: {finding.advice}", "    ")] if finding.advice else []
    return "\n".join([*lines, f"    more: wellposed rule {finding.code}"])


def summary_text(diagnoses: Sequence[Diagnosis]) -> str:
    """One line over all logs."""
    found = [each for diagnosis in diagnoses for each in diagnosis.findings]
    counts = {each: sum(f.severity is each for f in found) for each in Severity}
    said = ", ".join(f"{counts[each]} {each}" for each in reversed(Severity) if counts[each])
    logs = f"{len(diagnoses)} log{'s' if len(diagnoses) != 1 else ''}"
    return f"{logs}: {said or 'no findings'}"


def _facts(finding: Finding) -> Iterator[tuple[str, str]]:
    for key, value in finding.evidence.items():
        if key != "subject":
            yield key, f"{value:.4g}" if isinstance(value, float) else str(value)


def _block(text: str, indent: str) -> str:
    return fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * (len(indent) + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
