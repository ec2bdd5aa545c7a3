"""`wellposed replay`: one step of a run once more."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from wellposed.cli.options import read_options
from wellposed.engine.launch import system_name
from wellposed.engine.rehearsal.replay import replay as replay_step
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.systems import system_type


@dataclass
class Replay:
    """Run one step of a run again and look for the first value that is not finite."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    step: int
    """Number of the step, as the finding names it."""


def replay(arguments: list[str]) -> int:
    """Replay a step; 1 if it was refused again."""
    options = read_options(Replay, "wellposed replay", arguments)
    kind = system_type(system_name(RunFolder.open(options.run).recipe))
    result = replay_step(kind, options.run, options.step)
    print(f"step {result.step} replayed from {result.source}")
    for name, value in result.values.items():
        print(f"  {name:<24} {value:.6g}")
    for finding in result.findings:
        print(finding.text())
    return 1 if result.findings else 0
