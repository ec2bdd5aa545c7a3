"""Running `wellposed` commands in processes of their own, and ending them at chosen moments."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


@dataclass
class Command:
    """A command that was started."""

    pid: int
    output: Path
    owner: "Commands"

    def wait(self) -> int:
        """Exit status: negative if a signal ended it."""
        return self.owner.wait(self.pid)

    def text(self) -> str:
        """All it has said so far, errors included."""
        return self.output.read_text() if self.output.exists() else ""

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until it has said `text`."""
        end = time.monotonic() + seconds
        while text not in self.text():
            assert time.monotonic() < end, self.text()
            time.sleep(0.01)

    def send(self, number: int) -> None:
        """Send a signal, unless the command has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Commands:
    """The parent of all commands of a test session; see `fork_server`."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(SOURCE), str(HERE)])
        self.ended: dict[int, int] = {}
        self._count = 0
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py")],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def start(
        self,
        folder: Path,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        file_size: int | None = None,
        before: str | None = None,
    ) -> Command:
        """Start `wellposed ARGUMENTS`; its output goes to a new file in `folder`.

        `file_size` is the largest file it may write [bytes]; `before` a function
        ("module:name") that it calls first.
        """
        assert self._server.stdin is not None
        self._count += 1
        output = folder / f"output-{self._count}.txt"
        request = {
            "arguments": [str(each) for each in arguments],
            "environment": dict(environment or {}),
            "output": str(output),
            "file_size": file_size,
            "before": before,
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        while True:
            answer = self._answer()
            if "started" in answer:
                return Command(answer["started"], output, self)

    def run(self, folder: Path, *arguments: str | Path, **options: Any) -> tuple[int, str]:
        """Run a command to its end: exit status and output."""
        command = self.start(folder, *arguments, **options)
        return command.wait(), command.text()

    def run_ranks(
        self, folder: Path, ranks: int, *arguments: str | Path, **options: Any
    ) -> list[tuple[int, str]]:
        """Run one command as several processes to their ends: exit statuses and outputs."""
        commands = self.start_ranks(folder, ranks, *arguments, **options)
        return [(command.wait(), command.text()) for command in commands]

    def start_ranks(
        self,
        folder: Path,
        ranks: int,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> list[Command]:
        """Start one command as several processes, with what torchrun would tell each of them."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        common = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        common |= environment or {}
        return [
            self.start(
                folder,
                *arguments,
                environment={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                **options,
            )
            for rank in range(ranks)
        ]

    def wait(self, pid: int) -> int:
        """Exit status of a child, when it has ended."""
        while pid not in self.ended:
            self._answer()
        return self.ended[pid]

    def close(self) -> None:
        """End the parent."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the parent of the commands has died"
        answer = json.loads(line)
        if "ended" in answer:
            self.ended[answer["ended"]] = answer["status"]
        return answer


def die_at_a_call() -> None:
    """Have this process killed by SIGKILL at its n-th call in the engine, n from the environment.

    Calls of the system by the engine count too, so the moment may lie inside of a checkpoint
    that is being written, between two of its bytes or before it gets its name.
    """
    left = int(os.environ["DIE_AT_CALL"])
    engine = str(SOURCE / "wellposed" / "engine")
    within = os.environ.get("DIE_WITHIN", "")

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if event not in ("call", "c_call") or not frame.f_code.co_filename.startswith(engine):
            return
        if within and not frame.f_code.co_filename.endswith(within):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def moments(seed: int, count: int, largest: int) -> Sequence[int]:
    """Draw `count` numbers of calls between 1 and `largest`."""
    draws = random.Random(seed)
    return [draws.randint(1, largest) for _ in range(count)]
