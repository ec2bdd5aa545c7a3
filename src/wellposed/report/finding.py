"""One finding on the page: what, how strong, who is suspected, and where it shows on the curves."""

from collections.abc import Mapping

from wellposed.guard.findings import Finding
from wellposed.guard.rules import rule_codes, rule_name
from wellposed.report.charts import panels_of
from wellposed.report.facts import RunFacts
from wellposed.report.markup import bullets, pairs, prose, tag, text
from wellposed.report.replayed import replay_of
from wellposed.report.wording import figure, plain

SEVERITIES = {"FAIL": "failure", "WARN": "warning", "INFO": "note"}


def finding_article(facts: RunFacts, i: int, finding: Finding) -> str:
    """The `i`th finding of the page as an article that can be linked to."""
    parts = [
        tag("h4", tag("span", str(i), class_="badge") + tag("span", prose(finding.title))),
        tag("p", text(f"{named(finding)}, {_place(finding)}"), class_="quiet"),
    ]
    if measured := _measured(finding):
        parts.append(pairs([(plain(key), _shown(value)) for key, value in measured.items()]))
    if finding.suspects:
        items = [
            f"{tag('b', text(suspect.name))}, to be tested: {prose(suspect.intervention)}"
            for suspect in finding.suspects
        ]
        parts.append(tag("p", "Suspects, none of them proven by this finding:") + bullets(items))
    if finding.advice:
        parts.append(tag("p", f"{tag('b', 'Try:')} {prose(finding.advice)}"))
    parts.append(tag("p", _ways(facts, i, finding), class_="quiet"))
    kind = SEVERITIES[finding.severity]
    return tag(
        "article", "".join(parts), class_=f"finding {kind}", id=f"finding-{i}", tabindex="-1"
    )


def named(finding: Finding) -> str:
    """The code with its name, where it has a page."""
    known = finding.code in rule_codes()
    return f"{finding.code} {rule_name(finding.code)}" if known else finding.code


def _place(finding: Finding) -> str:
    since = "" if finding.since_step == finding.step else f", since step {finding.since_step:,}"
    return f"{SEVERITIES[finding.severity]}, at step {finding.step:,}{since}"


def _ways(facts: RunFacts, i: int, finding: Finding) -> str:
    """Where to go from here: to its curves, to its replay, to its page of the documentation."""
    panels = [tag("a", text(title), href=f"#{panel}") for panel, title in panels_of(facts, finding)]
    marks = tag("a", "all marks", href=f"#mark-{i}")
    ways = [f"On the curves: {', '.join([*panels, marks])}"] if facts.drawn else []
    if replay := replay_of(facts, finding):
        ways.append(f"What replays showed: {tag('a', 'the suspects tried', href=f'#{replay}')}")
    page = tag("code", text(f"wellposed rule {finding.code}"))
    return ". ".join([*ways, f"What it means and how it is measured: {page}"])


def _measured(finding: Finding) -> Mapping[str, object]:
    """The evidence, without a subject that only tells findings of one code apart."""
    others = {str(each) for key, each in finding.evidence.items() if key != "subject"}
    said = others | set(SEVERITIES)
    subject = str(finding.evidence.get("subject", ""))
    bare = all(part in said for part in subject.split(", "))
    return {k: v for k, v in finding.evidence.items() if k != "subject" or not bare}


def _shown(value: object) -> str:
    return figure(value) if isinstance(value, float) else str(value)
