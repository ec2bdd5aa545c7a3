"""The page in a real browser: nothing requested, nothing wrong on the console, sounds load."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wellposed.report import write_report

FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--mute-audio", "--remote-debugging-pipe"),
]
PATIENCE_S = 60
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Chromium looks for its pipe at 3 and 4. A process of its own puts it there: a `preexec_fn` is
# not safe in a process with threads, and torch has some.
LAUNCHER = """import os, sys
pipes = [os.dup(int(number)) for number in sys.argv[1:3] * 2][2:]  # above 3 and 4
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Browser:
    """Chromium over its debugging pipe: JSON messages that end with a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()

        command = [program, *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(reads), str(writes), *command],
            pass_fds=(reads, writes),
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    _session: str | None = None

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    def close(self) -> None:
        self._session = None
        self.ask("Browser.close")
        self._process.wait(timeout=20)
        os.close(self._to)
        os.close(self._from)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            assert ready, f"the browser has been silent for {PATIENCE_S} s"
            part = os.read(self._from, 1 << 20)
            assert part, "the browser has gone"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine, so the page is not opened in a browser")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


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
