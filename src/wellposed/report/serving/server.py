"""`wellposed serve`: pages of many runs over HTTP, read-only.

What the server promises: it answers GET and HEAD only, with pages that it makes itself; no request
names a file. Bound to the loopback it answers only requests addressed to the loopback, so that no
web page elsewhere can read it under a name of its own (DNS rebinding).
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wellposed.errors import RunError
from wellposed.report.facts import RunFacts, read_facts
from wellposed.report.markup import tag, text
from wellposed.report.page import Frame, part, render_facts
from wellposed.report.serving.board import board, framed
from wellposed.report.serving.found import Found, find_runs
from wellposed.report.serving.kept import Kept
from wellposed.report.serving.live import drawn, live_numbers
from wellposed.report.serving.pairs import pairs_page
from wellposed.report.serving.versus import versus

PATIENCE_S = 20
"""Longest that a client may take to say what it wants, or to take a part of the answer."""
MOST_AT_ONCE = 16
"""Requests answered at a time; others wait in the system's queue."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
BACK = ' \N{MIDDLE DOT} <a href="/">all runs</a>'
LIVE = (
    '<div id="live" class="live" data-drawn="{drawn}"><p class="state"></p>'
    '<progress aria-label="Steps taken" max="1" value="0"></progress><dl></dl>'
    '<div class="small"></div><p class="told quiet" role="status"></p></div>'
)


class RefusedError(Exception):
    """A request that gets no page, with the status and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class RunServer(ThreadingHTTPServer):
    """Serves the runs below `root`; `port` 0 takes a free one, see `address`.

    Raises OSError: the port is taken, or the host is none of this machine.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 8765) -> None:
        self.root = root
        self.loopback = is_loopback(host)
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._drawing = threading.Lock()  # matplotlib draws in one thread at a time
        self._facts = Kept(read_facts)
        self._pages = Kept(self._draw)
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        """Where the pages are."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, when one is free."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and let the next one begin."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def answer(self, target: str) -> tuple[str, str]:
        """Content type and text for the path and query of a request. Raises RefusedError."""
        path, query = _read(target)
        if path == "/":
            return "text/html", board(self.root, self._listed())
        if path == "/pairs":
            return "text/html", self._pairs(query.get("metric", [""])[0])
        if path == "/compare":
            keys = query.get("run", [])
            if len(keys) != 2:
                why = f"Choose two runs to compare, not {len(keys)}."
                raise RefusedError(HTTPStatus.BAD_REQUEST, why)
            return "text/html", self._compare(keys[0], keys[1])
        for ending, kind in (("/live.json", "application/json"), ("/", "text/html")):
            if path.startswith("/run/") and path.endswith(ending):
                run = self._run(path[len("/run/") : -len(ending)])
                return kind, self._numbers(run) if kind != "text/html" else self._page(run)
        raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _listed(self) -> Iterator[tuple[Found, RunFacts | None]]:
        for found in find_runs(self.root).values():
            if found.refused:
                yield found, None
                continue
            try:
                facts = self._facts.of(found.path)[0]
            except (RunError, OSError) as error:  # damaged, or removed meanwhile
                yield replace(found, refused=str(error)), None
            else:
                yield found, facts

    def _run(self, key: str) -> Found:
        found = find_runs(self.root).get(key)
        if found is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "There is no such run.")
        if found.refused:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"This run is not shown: {found.refused}.")
        return found

    def _numbers(self, run: Found) -> str:
        return json.dumps(live_numbers(self._facts.of(run.path)[0]), allow_nan=False)

    def _page(self, run: Found) -> str:
        return self._pages.of(run.path)[0]

    def _draw(self, run: Path) -> str:
        facts = read_facts(run)
        frame = Frame(top=BACK)
        if not facts.end:
            live = LIVE.format(drawn=text(drawn(facts)))
            frame = Frame(BACK, live, part("serving/live.js"), connects=True)
        with self._drawing:
            return render_facts(facts, frame)

    def _pairs(self, metric: str) -> str:
        runs = [(found.key, facts) for found, facts in self._listed() if facts is not None]
        with self._drawing:  # a second of work: one at a time
            return pairs_page(runs, metric)

    def _compare(self, first: str, second: str) -> str:
        sides = [(key, self._facts.of(self._run(key).path)[0]) for key in (first, second)]
        with self._drawing:
            return versus(sides[0], sides[1])


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server_version = "wellposed"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    @property
    def _runs(self) -> RunServer:
        assert isinstance(self.server, RunServer)
        return self.server

    def _not_allowed(self) -> None:
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, "text/html", _said("Only reading."), True)

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Whatever else is asked for, such as do_POST, is not allowed."""
        if name.startswith("do_"):
            return self._not_allowed
        raise AttributeError(name)

    def _answer(self, body: bool) -> None:
        try:
            self._require_own_name()
            kind, content = self._runs.answer(self.path)
            status = HTTPStatus.OK
        except RefusedError as refused:
            status, kind, content = refused.status, "text/html", _said(str(refused))
        except (RunError, OSError) as error:  # damaged, or removed while it was read
            status, kind, content = HTTPStatus.INTERNAL_SERVER_ERROR, "text/html", _said(str(error))
        self._send(status, kind, content, body)

    def _require_own_name(self) -> None:
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if self._runs.loopback and not (name == "localhost" or is_loopback(name)):
            why = f"This server answers to localhost only, not to {name!r}."
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, why)

    def _send(self, status: HTTPStatus, kind: str, content: str, body: bool) -> None:
        data = content.encode()
        headers: Mapping[str, str] = {
            **HEADERS,
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(data)),
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a page asks every two seconds."""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own address, or a name that means it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(target: str) -> tuple[str, dict[str, list[str]]]:
    """The path, decoded once, and the query. Raises RefusedError: not UTF-8, or not printable."""
    try:
        parts = urlsplit(target)
        path = unquote(parts.path, errors="strict")
        query = parse_qs(parts.query, errors="strict", max_num_fields=8)
    except ValueError:  # UnicodeDecodeError is one
        raise RefusedError(HTTPStatus.BAD_REQUEST, "This address cannot be read.") from None
    if not all(each.isprintable() for each in (path, *chain(*query.values()))):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "This address has characters that no run has.")
    return path, query


def _said(why: str) -> str:
    return framed("Not shown", "Not shown", tag("p", text(why), class_="lead"), top=BACK)
