"""Real `wellposed` processes without the seconds that importing torch takes: a parent to fork.

A child is a process of its own, with its own output file, environment and limits; it can be
killed like any other. Requests and answers are JSON lines on standard input and output. Run by
`commands.Commands`.
"""

import importlib
import json
import os
import resource
import select
import sys
import traceback
from typing import Any

import toy

import wellposed.cli.replay
import wellposed.cli.train
import wellposed.report.page
import wellposed.systems.enhance.system  # noqa: F401 - imported once, for all children
from wellposed.cli import main


def child(request: dict[str, Any]) -> int:
    """Be the command that `request` describes; return its exit status."""
    os.environ.update(request["environment"])
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if request["file_size"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
    try:
        if request["before"] is not None:
            module, _, function = request["before"].partition(":")
            getattr(importlib.import_module(module), function)()
        return main(request["arguments"])
    except SystemExit as error:
        return int(error.code or 0)


def become(request: dict[str, Any]) -> None:
    """End this process as the interpreter would have, with a traceback if there is one."""
    status = 1
    try:
        status = child(request)
    finally:
        if sys.exception() is not None:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def answer(**values: Any) -> None:
    """Write one line to the parent."""
    print(json.dumps(values), flush=True)


def serve() -> None:
    """Fork a child for every request, and tell how each has ended."""
    toy.register()
    children: set[int] = set()
    while True:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0.01)
        if readable:
            line = os.read(sys.stdin.fileno(), 1 << 16).decode()
            if not line:
                return
            for text in line.splitlines():
                pid = os.fork()
                if pid == 0:
                    become(json.loads(text))
                children.add(pid)
                answer(started=pid)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            children.discard(pid)
            answer(ended=pid, status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    answer(ready=os.getpid())
    serve()
