"""The page in a real browser: nothing requested, nothing wrong on the console, sounds load."""

from pathlib import Path

import pytest
from chromium import Browser

from wellposed.report import write_report

METADATA = """Promise.all([...document.querySelectorAll("audio")].map(a => new Promise(done => {
  const tell = () => done(a.error ? -1 : a.duration);
  a.readyState > 0 || a.error ? tell() : (a.onloadedmetadata = a.onerror = tell);
})))"""


def test_the_page_requests_nothing_logs_nothing_and_its_sounds_load(
    browser: Browser, run_folder: Path
) -> None:
    page = write_report(run_folder)
    browser.open(page)
    seconds = browser.evaluate(METADATA)
    sent = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in sent if not url.startswith("data:")} == {page.as_uri()}
    noise = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in browser.events if event["method"] in noise] == []
    assert seconds == pytest.approx([0.5] * 3, abs=0.01)


def test_the_page_is_no_wider_than_a_phone(browser: Browser, run_folder: Path) -> None:
    browser.ask(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=844,
        deviceScaleFactor=2,
        mobile=True,
    )
    browser.open(write_report(run_folder))
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
