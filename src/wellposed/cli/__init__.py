"""The command line: one table of commands, each imported only when it is called."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from wellposed import __version__
from wellposed.cli.process import set_up
from wellposed.errors import WellposedError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("wellposed.cli.demo:demo", "train a small enhancer in 6 minutes and look at it"),
    "audit": ("wellposed.cli.audit:audit", "ask a loss or a whole problem before it is trained"),
    "plan": ("wellposed.cli.plan:plan", "say what a run will cost: wellposed plan enhance"),
    "train": ("wellposed.cli.train:train", "train a system: wellposed train enhance"),
    "tune": ("wellposed.cli.tune:tune", "search for a recipe by many runs: wellposed tune enhance"),
    "resume": ("wellposed.cli.train:resume", "go on with a stopped run, bit for bit"),
    "evaluate": ("wellposed.cli.evaluate:evaluate", "score a run on scenes or on file pairs"),
    "compare": ("wellposed.cli.compare:compare_models", "where two models part: compare RUN RUN"),
    "enhance": ("wellposed.cli.enhance:enhance", "remove noise from audio files"),
    "extract": ("wellposed.cli.extract:extract", "keep one speaker, told by an enrolment"),
    "locate": ("wellposed.cli.locate:locate", "find sources with an array or a surface"),
    "codec": ("wellposed.cli.codec:codec", "code speech at a few kbit/s: wellposed codec encode"),
    "serve": ("wellposed.cli.serve:serve", "show many runs in a browser, live: serve RUNS_DIR"),
    "report": ("wellposed.cli.look:report", "write the report page of a run"),
    "export": ("wellposed.cli.export:export", "copy a run's best weights to give them away"),
    "replay": ("wellposed.cli.replay:replay", "run a step again and look for the first culprit"),
    "explain": ("wellposed.cli.explain:explain", "which change removes a finding? by replay"),
    "doctor": ("wellposed.cli.doctor:doctor", "say what logs of other runs show: doctor LOG..."),
    "data": (
        "wellposed.cli.look:data",
        "check audio files (data check DIR), simulate rooms",
    ),
    "show": ("wellposed.cli.look:show", "print a system's recipe and sizes"),
    "faults": ("wellposed.cli.faults:faults", "inject known faults: does the guard name them?"),
    "rule": ("wellposed.cli.look:rule", "explain a finding: wellposed rule WP301"),
}
"""Name, where its function is, and a line of help. A function takes the remaining arguments
and returns the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a failure that was explained, 2 a usage error."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    set_up()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"wellposed {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f", did you mean {near[0]}?" if near else ". See wellposed --help."
        print(f"wellposed: unknown command {name!r}{hint}", file=sys.stderr)
        return 2
    module, _, function = COMMANDS[name][0].partition(":")
    try:
        return getattr(import_module(module), function)(rest)
    except WellposedError as error:
        print(f"wellposed {name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader went away (`| head`). Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"wellposed {name}: interrupted", file=sys.stderr)
        return 130


def _help() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            f"wellposed {__version__}: training runs as experiments that can be trusted",
            "",
            "usage: wellposed COMMAND ...     wellposed COMMAND --help",
            "",
            *lines,
        ]
    )
