"""What replays showed stands on the page: verdicts, numbers, and what is not known."""

import json
from pathlib import Path
from typing import Any

from wellposed.report.facts import read_facts
from wellposed.report.page import render
from wellposed.report.verdict import verdict

BATCH = {
    "name": "skip-batch:130",
    "about": "leave out the batch of step 130",
    "word": "acquitted",
    "pairs": 9,
    "removed": 0,
    "kept": 9,
    "share": 0.0,
    "low": 0.0,
    "high": 0.4,
    "original": True,
}
PHASE = {
    "name": "drop-term:phase",
    "about": "leave out the term phase",
    "word": "convicted",
    "recipe": {"loss.phase": 0.0},
    "yaml": "loss:\n  phase: 0.0\n",
    "pairs": 8,
    "removed": 8,
    "kept": 0,
    "share": 1.0,
    "low": 0.6,
    "high": 1.0,
    "original": False,
    "brings": ["WP204"],
}
FLOAT64 = {"name": "float64", "about": "compute in float64", "word": "untested", "why": "no kernel"}


def explained(run: Path, **entries: Any) -> Path:
    told = {
        "format": 1,
        "finding": "WP302@130",
        "title": "the gradient is not finite",
        "symptom_text": "WP302 by step 131",
        "source": "step-00000100.safetensors",
        "randomness": "seed",
        "control": "the same bits",
        "controls": 8,
        "controls_shown": 8,
        "verdicts": [PHASE, BATCH, FLOAT64],
        "sentence": "To be rid of WP302, leave out the term phase.",
        "untested": ["Kernels of another device."],
        "replays": 33,
        "seconds": 120.0,
        **entries,
    }
    (run / "explain").mkdir()
    (run / "explain" / "WP302-130.json").write_text(json.dumps(told))
    return run


def test_verdicts_come_with_their_counts_shares_and_intervals(run_folder: Path):
    html = render(explained(run_folder))
    for said in (
        "To be rid of WP302, leave out the term phase.",
        "with other randomness 8 of 8 controls show it; 33 replays in 2 min.",
        "8 of 8",
        "1.00 (0.60 to 1.00)",
        "it is gone",
        "brings WP204",
        "0 of 9",
        "0.00 (0.00 to 0.40)",
        "it stays",
        "no kernel",
        "Kernels of another device.",
        "loss:\n  phase: 0.0",
    ):
        assert said in html, said
    assert "Nothing was replayed" not in html


def test_the_finding_and_its_replay_lead_to_each_other(run_folder: Path):
    html = render(explained(run_folder))
    assert '<a href="#replay-1">the suspects tried</a>' in html
    assert '<h3><a href="#finding-1">WP302@130: the gradient is not finite</a></h3>' in html


def test_the_verdict_names_what_replay_has_shown(run_folder: Path):
    facts = read_facts(explained(run_folder))
    assert verdict(facts).endswith(
        "(1 failure), and replay has shown what removes it: leave out the term phase."
    )


def test_an_explanation_without_suspects_still_says_its_sentence(run_folder: Path):
    html = render(explained(run_folder, verdicts=[], randomness="none", sentence="It came once."))
    assert "It came once." in html
    assert "controls show it" not in html


def test_text_of_an_explanation_is_never_markup(run_folder: Path):
    attack = "<script>alert(1)</script>"
    html = render(
        explained(
            run_folder,
            finding=attack,
            title=attack,
            sentence=attack,
            control=attack,
            untested=[attack],
            verdicts=[{**PHASE, "name": attack, "about": attack, "yaml": attack, "word": attack}],
        )
    )
    assert "<script>alert" not in html


def test_a_file_that_is_not_understood_is_said_to_be_missing(run_folder: Path):
    html = render(explained(run_folder, format=99))
    assert "an explain/WP302-130.json of format 1" in html
    assert "Nothing was replayed" in html
