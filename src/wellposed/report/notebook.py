"""The report page inside a notebook."""

from html import escape
from pathlib import Path

from wellposed.report.facts import read_facts
from wellposed.report.page import LARGEST_PAGE, Frame, render_facts, write_report
from wellposed.report.verdict import verdict

HEIGHT_PX = 720


class Report:
    """The page of a run; the last expression of a notebook's cell shows it.

        Report("runs/a")

    It is read from the folder whenever it is shown, and kept in the notebook with its sounds:
    `most_bytes` keeps it small, what does not fit is named.
    """

    def __init__(self, run: str | Path, most_bytes: int = LARGEST_PAGE) -> None:
        self.run = Path(run)
        self.most_bytes = most_bytes

    def html(self) -> str:
        """The whole page. Raises RunError: the folder is no run."""
        return render_facts(read_facts(self.run), Frame(), self.most_bytes)

    def write(self) -> Path:
        """Write RUN/report.html and return its path."""
        return write_report(self.run)

    def __repr__(self) -> str:
        """The verdict, where only text is shown."""
        return f"{self.run}: {verdict(read_facts(self.run))}"

    def _repr_html_(self) -> str:
        """A frame without an origin: the page's own script runs, and reaches nothing outside."""
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{escape(self.html())}" '
            f'title="Report of {escape(self.run.name)}" width="100%" height="{HEIGHT_PX}" '
            'style="border:1px solid #8888;resize:vertical"></iframe>'
        )
