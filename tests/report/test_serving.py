"""The pages of many runs, asked of a real server on a port of its own."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asking import SECRET, ask
from chromium import Browser

from wellposed.cli.serve import Serve, open_server
from wellposed.errors import RunError
from wellposed.report.serving import kept
from wellposed.report.serving.found import find_runs, writer_of
from wellposed.report.serving.server import RunServer


def raw(server: RunServer, request: bytes) -> bytes:
    """What comes back for bytes that no client would send."""
    address = urlsplit(server.address)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


def go_on(run: Path, rows: int = 20) -> list[str]:
    """Cut the history of a run, so that it has no end; the rows that were cut off."""
    history = run / "history.jsonl"
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join(lines[:rows]))
    return lines[rows:]


def test_the_table_lists_every_run_with_its_score_and_findings(server: RunServer) -> None:
    status, headers, text = ask(server, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<a href="/run/run-7/">run-7</a>' in text
    assert '<a href="/run/deep/run-8/">deep/run-8</a>' in text
    for said in ("enhance", "finished", "400 of 400", "2.25 (2.12 to 2.38)", "1 failure"):
        assert text.count(said) == 2, said


def test_a_run_has_the_page_of_its_file_and_a_way_back(server: RunServer) -> None:
    status, _, text = ask(server, "/run/deep/run-8/")
    assert status == 200
    assert "WP302" in text
    assert '<a href="/">all runs</a>' in text
    assert 'id="live"' not in text  # it has finished
    assert "connect-src" not in text


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/run/../secret.txt",
        "/run/../../secret.txt",
        "/run/../../../../../../../etc/passwd",
        "/run/%2e%2e/%2e%2e/secret.txt",
        "/run/%2e%2e%2fsecret.txt/",
        "/run/..%2f..%2fsecret.txt",
        "/run/%252e%252e/%252e%252e/secret.txt/",
        "/run/run-7/secret.txt",
        "/run/run-7/../../secret.txt",
        "/run/run-7/..%5c..%5csecret.txt/",
        "/run/run-7/%2e%2e/run-7/",
        "/run/./run-7/",
        "/run/run-7/history.jsonl",
        "/run/run-7/recipe.yaml",
        "/run//etc/passwd",
        "/run//etc/",
        "//etc/passwd",
        "/run/%2fetc%2fpasswd/",
        "/run/",
        "/run//",
        "http://127.0.0.1/run/../secret.txt",
        "file:///etc/passwd",
        "/compare?run=run-7&run=../secret.txt",
        "/compare?run=run-7&run=/etc",
        "/compare?run=run-7",
        "/favicon.ico",
    ],
)
def test_no_address_leads_to_a_file(server: RunServer, target: str) -> None:
    status, _, text = ask(server, target)
    assert status in (400, 404)
    assert SECRET not in text
    assert "root:" not in text
    assert "steps: 400" not in text


@pytest.mark.parametrize(
    "target", ["/run/run-7%00/", "/run/%00", "/run/run-7%0a/", "/run/%ff/", "/?run=%00", "/%"]
)
def test_an_address_with_characters_of_no_run_is_refused(server: RunServer, target: str) -> None:
    status, _, text = ask(server, target)
    assert status in (400, 404)
    assert SECRET not in text


@pytest.mark.parametrize("request_line", [b"GET /\0 HTTP/1.1", b"GET / HTTP/9.9", b"\xff\xfe"])
def test_what_is_no_request_gets_no_page(server: RunServer, request_line: bytes) -> None:
    answer = raw(server, request_line + b"\r\nHost: localhost\r\n\r\n")
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert SECRET.encode() not in answer


def test_a_run_that_is_a_link_to_elsewhere_does_not_exist(server: RunServer) -> None:
    outside = server.root.parent / "outside"
    shutil.copytree(server.root / "run-7", outside)
    (server.root / "linked").symlink_to(outside)
    assert ask(server, "/run/linked/")[0] == 404
    assert "linked" not in ask(server, "/")[2]


@pytest.mark.parametrize(
    "name",
    [
        *("recipe.yaml", "audit.json", "examples/01-tone/noisy.flac", "examples/01-tone/deep"),
        *("explain", "test/scores.csv", "evaluation/rates.json"),
    ],
)
def test_a_run_with_a_link_that_leads_out_is_listed_but_not_read(
    server: RunServer, name: str
) -> None:
    path = server.root / "run-7" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(server.root.parent / "secret.txt")
    if name == "recipe.yaml":
        (server.root.parent / "secret.txt").write_text(f"note: {SECRET}")
    status, _, text = ask(server, "/run/run-7/")
    assert status == 403
    assert "is a link that leads out of the folder" in text
    assert SECRET not in text
    assert f"{name} is a link" in ask(server, "/")[2]
    assert ask(server, "/run/run-7/live.json")[0] == 403
    assert ask(server, "/compare?run=run-7&run=deep/run-8")[0] == 403


def test_a_link_within_the_folder_and_weights_elsewhere_are_no_harm(server: RunServer) -> None:
    run = server.root / "run-7"
    (run / "notes").symlink_to(server.root / "deep")
    (run / "best").symlink_to("/usr/share")
    (run / "wandb").mkdir()
    (run / "wandb" / "debug.log").symlink_to("/var/log")
    assert ask(server, "/run/run-7/")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_reading_is_allowed(server: RunServer, method: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in server.root.rglob("*")}
    status, headers, _ = ask(server, "/run/run-7/", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert {path: path.stat().st_mtime_ns for path in server.root.rglob("*")} == before


def test_nothing_is_written_by_looking(server: RunServer) -> None:
    before = {path: path.stat().st_mtime_ns for path in server.root.rglob("*")}
    for target in ("/", "/run/run-7/", "/compare?run=run-7&run=deep/run-8"):
        assert ask(server, target)[0] == 200
    assert {path: path.stat().st_mtime_ns for path in server.root.rglob("*")} == before


def test_a_head_has_the_length_and_no_body(server: RunServer) -> None:
    status, headers, text = ask(server, "/run/run-7/", "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) == len(ask(server, "/run/run-7/")[2].encode())


def test_a_name_of_another_site_gets_nothing_from_the_loopback(server: RunServer) -> None:
    port = urlsplit(server.address).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        status, _, text = ask(server, "/", Host=host)
        assert status == 421
        assert "run-7" not in text
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert ask(server, "/", Host=host)[0] == 200


def test_answers_are_not_kept_nor_framed_nor_guessed(server: RunServer) -> None:
    for target in ("/", "/run/run-7/", "/nothing"):
        headers = ask(server, target)[1]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_text_of_a_run_never_becomes_markup_in_the_table(server: RunServer) -> None:
    run = server.root / "<b onload=x>"
    shutil.copytree(server.root / "run-7", run)
    (run / "recipe.yaml").write_text("system: <script>alert(1)</script>\n")
    text = ask(server, "/")[2]
    assert "<script>alert" not in text
    assert "<b onload" not in text
    assert ask(server, "/run/%3Cb%20onload%3Dx%3E/")[0] == 200


def test_a_damaged_run_is_listed_with_what_is_wrong(server: RunServer) -> None:
    history = server.root / "run-7" / "history.jsonl"
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join([lines[0], "damaged\n", *lines[1:]]))
    assert "not shown:" in ask(server, "/")[2]
    status, _, text = ask(server, "/run/run-7/")
    assert status == 500
    assert "line 2" in text


def test_numbers_of_a_run_that_goes_on_follow_its_history(
    server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHARE", 1e9)  # as often as asked for
    rest = go_on(server.root / "run-7")
    numbers = json.loads(ask(server, "/run/run-7/live.json")[2])
    assert numbers["going"]
    assert numbers["step"] == 190
    assert "no process trains here: interrupted" in numbers["state"]
    assert {"name": "Loss", "value": "0.00526"} in numbers["latest"]
    assert numbers["curves"][0]["points"][-1] == [190, 1 / 190]
    with (server.root / "run-7" / "history.jsonl").open("a") as file:
        file.writelines(rest)
    later = json.loads(ask(server, "/run/run-7/live.json")[2])
    assert not later["going"]
    assert later["step"] == 400
    assert later["drawn"] != numbers["drawn"]


def test_a_page_is_not_drawn_again_before_it_may_cost_that_much(server: RunServer) -> None:
    go_on(server.root / "run-7")
    first = ask(server, "/run/run-7/")[2]
    with (server.root / "run-7" / "history.jsonl").open("a") as file:
        file.write('{"kind":"train","step":999,"time_s":1.0,"values":{"loss":1.0}}\n')
    assert ask(server, "/run/run-7/")[2] == first


def test_who_trains_is_told_by_the_lock_and_a_dead_process_is_nobody(tmp_path: Path) -> None:
    assert writer_of(tmp_path) == ""
    lock = tmp_path / ".lock-0"
    about: dict[str, Any] = {"pid": os.getpid(), "host": socket.gethostname()}
    lock.write_text(json.dumps(about))
    assert writer_of(tmp_path) == f"process {os.getpid()}"
    lock.write_text(json.dumps({**about, "host": "elsewhere"}))
    assert writer_of(tmp_path) == f"process {os.getpid()} on elsewhere"
    lock.write_text(json.dumps({**about, "pid": 2**22 + 1}))
    assert writer_of(tmp_path) == ""
    lock.write_text("")
    assert writer_of(tmp_path) == ""


def test_runs_are_found_a_few_folders_deep_and_a_run_is_its_own_root(server: RunServer) -> None:
    assert list(find_runs(server.root)) == ["deep/run-8", "run-7"]
    assert list(find_runs(server.root / "run-7")) == ["."]


def test_the_command_warns_beyond_the_loopback_and_explains_a_taken_port(
    server: RunServer, capsys: pytest.CaptureFixture[str]
) -> None:
    port = urlsplit(server.address).port or 0
    with pytest.raises(RunError, match=r"cannot listen .* Pass another --port"):
        open_server(Serve(server.root, port))
    with pytest.raises(RunError, match="there is no such folder"):
        open_server(Serve(server.root / "nothing"))
    open_server(Serve(server.root, 0)).server_close()
    assert capsys.readouterr().err == ""
    open_server(Serve(server.root, 0, "0.0.0.0")).server_close()
    assert "warning: 0.0.0.0 is not the loopback" in capsys.readouterr().err


def test_a_page_in_the_browser_follows_its_run_and_asks_nobody_else(
    browser: Browser, server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHARE", 1e9)
    run = server.root / "run-7"
    rest = go_on(run)
    browser.visit(f"{server.address}run/run-7/")
    steps = "document.querySelector('.tiles dd').textContent"
    browser.wait_for(f"document.querySelector('#live polyline') && {steps}.startsWith('190')")
    with (run / "history.jsonl").open("a") as file:
        file.writelines(rest[:-3])
    browser.wait_for(f"{steps}.startsWith('400')")
    # A validation came: its curve is drawn now, without a reload.
    browser.wait_for("document.querySelector('#panel-validation-0') !== null")
    with (run / "history.jsonl").open("a") as file:
        file.writelines(rest[-3:])
    browser.wait_for("!document.querySelector('#live')")  # it has finished: a page that stays
    sent = {
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert all(url.startswith((server.address, "data:")) for url in sent)
    noise = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in browser.events if event["method"] in noise] == []


def test_every_page_fits_a_phone(browser: Browser, server: RunServer) -> None:
    browser.ask(
        "Emulation.setDeviceMetricsOverride",
        width=390,
        height=844,
        deviceScaleFactor=2,
        mobile=True,
    )
    for path in ("", "run/run-7/", "compare?run=run-7&run=deep/run-8", "pairs", "nothing"):
        browser.visit(f"{server.address}{path}")
        assert browser.evaluate("document.documentElement.scrollWidth") == 390, path
    browser.ask("Emulation.clearDeviceMetricsOverride")
