"""Optional packages: what a message tells to install can be installed."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_extra_that_a_message_or_a_page_names_is_declared():
    told: dict[str, set[str]] = {}
    for path in (*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"):
        for name in re.findall(r"wellposed\[([a-z]+)\]", path.read_text(encoding="utf-8")):
            told.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"]
    assert set(told) - set(declared) == set()
    # An extra that nobody is told of helps nobody.
    assert set(declared) - set(told) <= {"dev"}
