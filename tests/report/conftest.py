"""A small run folder with known contents, made anew for each test."""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parent))

from asking import SECRET
from chromium import PROGRAMS, Browser

from wellposed.report.serving.server import RunServer

RATE = 16000
RECIPE = "system: enhance\ntraining:\n  steps: 400\nvalidation:\n  select: pesq_wb\n"


def score(mean: float, half: float, n: int = 20) -> dict[str, float]:
    """An entry of a validation row with a symmetric interval."""
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n, "failed": 0}


def rows() -> list[dict[str, Any]]:
    """Forty training rows, two validations of which the first is the best, and four events."""
    made: list[dict[str, Any]] = [
        {"kind": "event", "step": 0, "time_s": 0.0, "event": "started", "message": ""}
    ]
    for step in range(10, 401, 10):
        values: dict[str, Any] = {"loss": 1 / step, "loss/complex": 2 / step, "gradient_norm": 1.0}
        made.append({"kind": "train", "step": step, "time_s": step / 2, "values": values})
        if step in (200, 400):
            metrics = {
                "pesq_wb": score(2.5 if step == 200 else 2.25, 0.125),
                "si_sdr_improvement_db": score(7.5, 0.5),
                "noisy/pesq_wb": score(1.5, 0.0625),
            }
            row = {"kind": "validation", "step": step, "time_s": step / 2, "scenes": "ab"}
            made.append({**row, "metrics": metrics, "best": step == 200})
    resumed = {"event": "resumed", "message": "from step 300"}
    made.append({"kind": "event", "step": 300, "time_s": 150.0, **resumed})
    made.append({"kind": "event", "step": 400, "time_s": 200.0, "event": "finished", "message": ""})
    return made


def write_example(folder: Path, amplitude: float = 0.25) -> None:
    """Half a second of a tone of 1 kHz as all three sounds, with scores."""
    folder.mkdir(parents=True)
    tone = amplitude * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE)
    for role in ("noisy", "estimate", "clean"):
        soundfile.write(folder / f"{role}.flac", tone, RATE, "PCM_16")
    scores = {"noisy": {"pesq_wb": 1.25}, "estimate": {"pesq_wb": 2.75}}
    (folder / "scores.json").write_text(json.dumps(scores))


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    run = tmp_path / "run-7"
    run.mkdir()
    (run / "recipe.yaml").write_text(RECIPE)
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    finding = {
        "code": "WP302",
        "title": "the gradient is not finite",
        "severity": "FAIL",
        "step": 130,
        "since_step": 120,
        "evidence": {"gradient_norm": "nan", "operation": "SqrtBackward0"},
        "suspects": [{"name": "a silent target", "intervention": "replay with another batch"}],
        "advice": "look at the batch",
        "page": "WP302.md",
    }
    (run / "findings.jsonl").write_text(json.dumps(finding) + "\n")
    (run / "environment.json").write_text(json.dumps({"python": "3.11", "torch": {"version": "2"}}))
    write_example(run / "examples" / "01-tone")
    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium; the test is skipped where there is none."""
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine, so the page is not opened in a browser")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def server(run_folder: Path) -> Iterator[RunServer]:
    """The runs `run-7` and `deep/run-8`, beside a file that is none of them."""
    root = run_folder.parent / "runs"
    root.mkdir()
    run_folder.rename(root / "run-7")
    shutil.copytree(root / "run-7", root / "deep" / "run-8")
    (root.parent / "secret.txt").write_text(SECRET)
    (root / "run-7" / "secret.txt").write_text(SECRET)
    with RunServer(root, port=0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()
