"""A notebook shows a run and a guard in frames that reach nothing outside; no Jupyter is needed."""

import html
import re
from pathlib import Path

import pytest
import torch
from chromium import Browser
from torch import nn

from wellposed.errors import RunError
from wellposed.guard import Guard
from wellposed.report import Report
from wellposed.report.page import render

FRAME = re.compile(
    r'<iframe sandbox(="allow-scripts")? srcdoc="([^"]*)" title="[^"]+"[^<>]*></iframe>'
)


def framed(text: str) -> tuple[str | None, str]:
    """What the sandbox allows, and the page inside; the text is one frame and nothing else."""
    match = FRAME.fullmatch(text)
    assert match is not None, text[:200]
    return match[1], html.unescape(match[2])


def sick_guard() -> Guard:
    """A guard that has refused a step, over a term with a name that would like to be markup."""
    model = nn.Linear(2, 1)
    guard = Guard(model, torch.optim.SGD(model.parameters(), 0.1), veto=True)
    loss = model(torch.ones(1, 2)).sum() * float("nan")
    loss.backward()
    guard.step(0, {"<img src=x onerror=alert(1)>": loss})
    return guard


def test_a_run_is_its_whole_page_in_a_frame_without_an_origin(run_folder: Path) -> None:
    allowed, page = framed(Report(run_folder)._repr_html_())
    assert allowed == '="allow-scripts"'
    assert page == render(run_folder)


def test_where_only_text_is_shown_it_is_the_verdict(run_folder: Path) -> None:
    assert "The run finished after 400 of 400 steps" in repr(Report(run_folder))


def test_a_small_report_names_the_examples_that_it_leaves_out(run_folder: Path) -> None:
    small = Report(run_folder, most_bytes=100_000).html()
    assert "<audio" not in small
    assert "look in examples/: 01-tone." in small


def test_a_report_is_written_as_by_the_command_and_a_folder_that_is_no_run_is_told(
    run_folder: Path, tmp_path: Path
) -> None:
    assert Report(str(run_folder)).write() == run_folder / "report.html"
    with pytest.raises(RunError, match="is not a run"):
        Report(tmp_path / "nothing").html()


def test_a_guard_shows_its_findings_as_text_and_runs_nothing() -> None:
    guard = sick_guard()
    allowed, page = framed(guard._repr_html_())
    assert allowed is None
    assert "1 refused" in page
    assert guard.findings[0].title in html.unescape(page)
    assert "<img" not in page


def inside(browser: Browser, session: str) -> str:
    """The words of a frame; what stood on its console becomes events."""
    for domain in ("Runtime", "Log", "Network"):
        browser.ask(f"{domain}.enable", session)
    words = "document.body.innerText.slice(0, 400)"
    answer = browser.ask("Runtime.evaluate", session, expression=words)
    return str(answer["result"].get("value", ""))


def test_both_are_seen_in_a_browser_and_ask_for_nothing(
    browser: Browser, run_folder: Path, tmp_path: Path
) -> None:
    cells = [Report(run_folder)._repr_html_(), sick_guard()._repr_html_()]
    notebook = tmp_path / "notebook.html"
    body = "".join(f"<div>{cell}</div>" for cell in cells)
    notebook.write_text(f'<!doctype html><meta charset="utf-8"><title>n</title>{body}')
    # A frame without an origin has a process and a session of its own.
    attach = {"waitForDebuggerOnStart": False, "flatten": True}
    browser.ask("Target.setAutoAttach", autoAttach=True, **attach)
    browser.open(notebook)
    sessions = [
        event["params"]["sessionId"]
        for event in browser.events
        if event["method"] == "Target.attachedToTarget"
    ]
    said = [inside(browser, session) for session in sessions]
    browser.ask("Target.setAutoAttach", autoAttach=False, **attach)
    assert any("The run finished after 400 of 400 steps" in text for text in said)
    assert any("guard: 1 steps watched" in text for text in said)
    sent = {
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in sent if not url.startswith(("data:", "about:"))} == {notebook.as_uri()}
    noise = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in browser.events if event["method"] in noise] == []
