"""The page: valid, self-contained, escaped, small, and honest about what is not there."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from wellposed.errors import RunError
from wellposed.report import write_report
from wellposed.report.examples import examples_section
from wellposed.report.page import LARGEST_PAGE

VOID = {"meta", "link", "img", "br", "hr", "input"}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Page(HTMLParser):
    """Checks nesting and collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, key: str, tag: str | None = None) -> list[str]:
        return [v for t, k, v in self.attributes if k == key and tag in (None, t)]


def read(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_elements_nest_and_every_id_is_there_once_and_every_link_has_its_target(
    run_folder: Path,
) -> None:
    page = read(run_folder)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [link[1:] for link in page.values("href") if link.startswith("#")]
    assert "finding-1" in targets
    assert set(targets) <= set(ids)


def test_ids_that_drawings_refer_to_in_styles_exist(run_folder: Path) -> None:
    html = write_report(run_folder).read_text()
    used = re.findall(r"url\(#([^)]+)\)", html)
    assert used
    assert set(used) <= set(Page(html).values("id"))


def test_nothing_is_loaded_from_elsewhere(run_folder: Path) -> None:
    html = write_report(run_folder).read_text()
    page = Page(html)
    loaded = page.values("src") + page.values("href", "link") + page.values("srcset")
    assert len(loaded) == 7  # an icon; three sounds with a picture each
    assert all(address.startswith("data:") for address in loaded)
    rest = html.replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not an address
    assert not re.search(r"https?://|@import|url\((?!#)", rest)


def test_the_policy_of_the_page_allows_its_own_script_only(run_folder: Path) -> None:
    policy = read(run_folder).values("content")[-1]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/]{43}='(;|$)", policy)


def test_sections_come_in_the_order_of_the_questions_a_reader_has(run_folder: Path) -> None:
    page = read(run_folder)
    sections = [v for t, k, v in page.attributes if t == "section" and k == "id"]
    assert sections == ["verdict", "questions", "curves", "examples", "replay", "recipe"]


def test_headings_go_down_one_level_at_a_time(run_folder: Path) -> None:
    tags = re.findall(r"<h([1-6])[ >]", write_report(run_folder).read_text())
    levels = [int(level) for level in tags]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next <= before + 1 for before, next in pairwise(levels))


def test_a_finding_leads_to_the_curve_it_speaks_of_and_back(run_folder: Path) -> None:
    html = write_report(run_folder).read_text()
    article = re.search(r'<article[^>]*id="finding-1".*?</article>', html, re.S)
    assert article is not None
    assert '<a href="#panel-training-1">Gradient norm</a>' in article[0]
    assert '<a href="#mark-1">all marks</a>' in article[0]
    panel = re.search(r'<figure[^>]*id="panel-training-1".*?</figure>', html, re.S)
    assert panel is not None
    assert '<a href="#finding-1">finding 1</a>' in panel[0]


def test_a_finding_that_nobody_replayed_says_how_to(run_folder: Path) -> None:
    page = read(run_folder)
    assert "Nothing was replayed" in page.text
    assert f"wellposed explain {run_folder}" in page.text
    (run_folder / "findings.jsonl").unlink()
    assert "there was nothing to replay" in read(run_folder).text


def test_the_recipe_says_what_differs_from_the_defaults_and_how_to_run_again(
    run_folder: Path,
) -> None:
    text = read(run_folder).text
    assert f"wellposed train {run_folder}/recipe.yaml" in text
    assert "What differs from the defaults of enhance" in text
    assert "training.steps 400" in text
    assert "wellposed resume" not in text
    history = run_folder / "history.jsonl"
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:-1]))
    assert f"wellposed resume {run_folder}" in read(run_folder).text


def test_pictures_and_players_have_names_for_those_who_do_not_see_them(run_folder: Path) -> None:
    page = read(run_folder)
    alts = page.values("alt", "img")
    assert len(alts) == 3
    # A sine of amplitude 1/4: peak 20 log10(1/4) = -12 dBFS, RMS 3 dB below.
    assert all("RMS −15 dBFS, peak −12 dBFS" in alt for alt in alts)
    assert page.values("aria-label", "audio") == ["Noisy input", "Estimate", "Clean reference"]
    assert all(page.values("aria-label", "svg"))


def test_text_of_the_run_never_becomes_markup(run_folder: Path) -> None:
    (run_folder / "recipe.yaml").write_text(f"note: |\n  {ATTACK}\n")
    finding = json.loads((run_folder / "findings.jsonl").read_text())
    finding |= {"code": f"WP3{ATTACK}", "title": ATTACK, "advice": ATTACK}
    finding |= {"evidence": {ATTACK: ATTACK}}
    finding |= {"suspects": [{"name": ATTACK, "intervention": ATTACK}]}
    (run_folder / "findings.jsonl").write_text(json.dumps(finding) + "\n")
    event = {"kind": "event", "step": 5, "time_s": 1, "event": ATTACK, "message": ATTACK}
    row = {"kind": "train", "step": 6, "time_s": 1, "values": {ATTACK: 1.0, f"loss/{ATTACK}": 1.0}}
    metrics = {ATTACK: {"mean": 1.0, "low": 0.5, "high": 1.5, "n": 2, "failed": 0}}
    check = {"kind": "validation", "step": 6, "time_s": 1, "metrics": metrics, "best": True}
    (run_folder / "history.jsonl").write_text(
        "".join(json.dumps(each) + "\n" for each in (event, row, check))
    )
    (run_folder / "environment.json").write_text(json.dumps({ATTACK: {ATTACK: ATTACK}}))
    scores = {"noisy": {ATTACK: 1.0}}
    (run_folder / "examples" / "01-tone" / "scores.json").write_text(json.dumps(scores))
    (run_folder / "examples" / "01-tone").rename(run_folder / "examples" / "<b onload=x>")

    page = read(run_folder)
    tags = [tag for tag, key, _ in page.attributes if key in ("onerror", "onload")]
    assert tags == []
    assert write_report(run_folder).read_text().count("<script") == 1
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_a_run_without_steps_says_so(run_folder: Path) -> None:
    (run_folder / "history.jsonl").write_text("")
    for name in ("findings.jsonl", "environment.json"):
        (run_folder / name).unlink()
    shutil.rmtree(run_folder / "examples")
    text = read(run_folder).text
    assert "The history is empty, no step has been recorded yet" in text
    assert "The history has no values to draw yet." in text
    assert "This run folder has no examples to show." in text
    assert "no finding of the guard is on record" in text
    assert "examples/ (sounds before and after)" in text
    assert "environment.json (versions and machine)" in text


def test_flat_scores_are_those_of_the_estimate_and_null_is_undefined(run_folder: Path) -> None:
    scores = {"pesq_wb": None, "si_sdr_db": 12.5}
    (run_folder / "examples" / "01-tone" / "scores.json").write_text(json.dumps(scores))
    assert "Estimate PESQ wide band undefined SI-SDR 12.5 dB" in read(run_folder).text


def test_a_folder_that_is_no_run_is_an_error_that_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run \(no recipe\.yaml in it\)"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_report_replaces_the_first_and_leaves_nothing_else(run_folder: Path) -> None:
    write_report(run_folder).write_text("old")
    before = set(run_folder.iterdir())
    assert "old" not in write_report(run_folder).read_text()[:100]
    assert set(run_folder.iterdir()) == before


def test_the_same_run_gives_the_same_page(run_folder: Path) -> None:
    assert write_report(run_folder).read_bytes() == write_report(run_folder).read_bytes()


def test_examples_beyond_the_budget_are_named_instead_of_embedded(run_folder: Path) -> None:
    first = run_folder / "examples" / "01-tone"
    second = run_folder / "examples" / "02-tone"
    shutil.copytree(first, second)
    one = examples_section((first,), LARGEST_PAGE)
    html = examples_section((first, second), len(one))
    assert html.count("<audio") == 3
    assert "look in examples/: 02-tone." in html


def test_a_page_of_a_long_run_stays_under_its_limit(run_folder: Path) -> None:
    rows = (run_folder / "history.jsonl").read_text()
    values = {f"loss/{name}": "nan" for name in "abcdef"}
    for step in range(401, 6000):
        values |= {name: str((step * 7919 % 1000) / 1000) for name in values}
        row = {"kind": "train", "step": step, "time_s": step, "values": values}
        rows += json.dumps(row) + "\n"
    (run_folder / "history.jsonl").write_text(rows)
    assert write_report(run_folder).stat().st_size < LARGEST_PAGE / 2


def test_a_damaged_sound_is_named_and_the_page_still_appears(run_folder: Path) -> None:
    (run_folder / "examples" / "01-tone" / "noisy.flac").write_bytes(b"fLaC")
    assert "noisy.flac" in read(run_folder).text
