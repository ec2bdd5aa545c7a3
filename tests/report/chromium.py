"""Chromium over its debugging pipe, with nothing but the standard library."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--mute-audio", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe"),
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
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    _session: str | None = None

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask the page, or a frame in a process of its own by its session."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session := session or self._session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path) -> None:
        self.visit(page.as_uri())

    def visit(self, address: str) -> None:
        self.events.clear()
        loader = self.ask("Page.navigate", url=address)["loaderId"]
        # Of this page, not of the one before that was still loading.
        while not any(_has_loaded(event, loader) for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Ask until it is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < until, f"{PATIENCE_S} s have not made it true: {expression}"
            time.sleep(0.1)

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


def _has_loaded(event: dict[str, Any], loader: str) -> bool:
    about = event.get("params", {})
    return (
        event["method"] == "Page.lifecycleEvent"
        and about["name"] == "load"
        and about["loaderId"] == loader
    )
