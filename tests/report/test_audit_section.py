"""What was asked before a run, on its page: the gravest first, nothing where nothing was asked."""

import json
from pathlib import Path
from typing import Any

from wellposed.report.page import render

ENDS = {"value": 3600.0, "low": 1800.0, "high": 7200.0}


def answer(question: str, word: str, text: str, code: str = "") -> dict[str, str]:
    return {"question": question, "word": word, "code": code, "text": text}


def page(run: Path, *answers: dict[str, str], **numbers: Any) -> str:
    (run / "audit.json").write_text(json.dumps({"answers": answers, "numbers": numbers}))
    return render(run)


def test_answers_stand_under_their_questions_and_the_gravest_first(run_folder):
    made = page(
        run_folder,
        answer("stability", "ok", "bounded"),
        answer("stability", "--", "resume: not asked: takes long"),
        answer("stability", "INFO", "one item pulls hard", "WP314"),
        answer("stability", "FAIL", "it grows", "WP304"),
        answer("existence", "ok", "all move"),
    )
    order = [
        made.index(text)
        for text in (
            "Before the run 1 of 1 answer good",
            "Before the run 1 of 3 answers good, 1 failure",
            '<h3 id="existence">',
            "all move",
            '<h3 id="stability">',
            "WP304 STATE.UNBOUNDED: it grows",
            "1 good answer before the run, 1 note, 1 question not asked",
            "one item pulls hard",
            "bounded",
            "resume: not asked: takes long",
            '<h3 id="evidence">',
        )
    ]
    assert order == sorted(order)
    assert '<li class="alarm"><a href="#stability"' in made


def test_the_plan_stands_beside_what_was_taken(run_folder):
    made = page(run_folder, plan={"time_s": ENDS, "assumes": ["it stays so"]})
    for text in ("60 min", "30 min", "2 h 00 min", "assumed: it stays so", "have taken 3 min"):
        assert text in made, text


def test_what_answers_say_is_text_and_never_markup(run_folder):
    made = page(run_folder, answer("evidence", "WARN", "<script>alert(1)</script>", "WP418"))
    assert "<script>alert" not in made
    assert "&lt;script&gt;alert(1)" in made


def test_without_an_audit_it_says_so_and_a_torn_one_is_said_to_be_missing(run_folder):
    assert render(run_folder).count("Not asked before the run") == 4
    (run_folder / "audit.json").write_text('{"answers": [')
    made = render(run_folder)
    assert "Audit before the run" not in made
    assert "an audit.json that can be read" in made
