"""Trackers are told of rows and findings with their steps, whether the guard refuses or only looks.

TensorBoard and W&B themselves where they are installed; a stand-in with W&B's documented interface
everywhere.
"""

import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from wellposed.guard import Guard
from wellposed.guard.adapters.loop import guarded
from wellposed.guard.adapters.trackers import TensorBoard, Tracker, WandB

READER = "tensorboard.backend.event_processing.event_accumulator"


class Told(Tracker):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows_told: list[tuple[int, dict[str, float]]] = []
        self.texts: list[tuple[int, str, str]] = []
        self.closed = False

    def numbers(self, step: int, values: Any) -> None:
        self.rows_told.append((step, dict(values)))

    def text(self, step: int, name: str, text: str) -> None:
        self.texts.append((step, name, text))

    def rewind(self, step: int) -> None:
        raise AssertionError("a loop of somebody else never goes back")

    def close(self) -> None:
        self.closed = True


def loop(steps: int, bad: int, **options: Any) -> Guard:
    """`steps` steps of which one has a loss that is not a number."""
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    guard = Guard(model, optimizer, **options)
    for step in range(steps):
        loss = model(torch.ones(4, 3)).square().mean() * (float("nan") if step == bad else 1.0)
        optimizer.zero_grad()
        loss.backward()
        if guard.step(step, {"square": loss}):
            optimizer.step()
    guard.read()
    return guard


@pytest.mark.parametrize("veto", [True, False])
def test_every_row_is_told_once_in_order_and_the_finding_with_its_step(veto: bool) -> None:
    told = Told()
    guard = loop(6, bad=4, veto=veto, read_every=4, listeners=[told])
    assert [step for step, _ in told.rows_told] == list(range(6))
    assert set(told.rows_told[0][1]) == {"guard/term/square", "guard/gradient_norm"}
    first = guard.findings[0]
    assert told.texts[0] == (4, f"findings/{first.code}", first.text())
    assert len(told.texts) == len(guard.findings)


def test_levels_are_told_where_an_estimate_was_shown() -> None:
    told = Told()
    model = nn.Linear(3, 3)
    guard = Guard(model, listeners=[told])
    estimate = model(torch.ones(2, 3))
    loss = estimate.square().mean()
    loss.backward()
    guard.step(0, {"square": loss}, estimate=estimate, reference=torch.ones(2, 3))
    guard.read()
    assert told.rows_told[0][1]["guard/reference_rms"] == pytest.approx(1.0)


def test_a_guarded_loop_takes_listeners_as_an_option() -> None:
    told = Told()
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with guarded(model, optimizer, report=lambda text: None, listeners=[told]) as guard:
        loss = model(torch.ones(4, 3)).square().mean()
        loss.backward()
        guard.terms({"square": loss})
        optimizer.step()
    assert len(told.rows_told) == 1


def test_listening_changes_no_weight_and_no_finding() -> None:
    heard, alone = loop(6, bad=4, veto=True, listeners=[Told()]), loop(6, bad=4, veto=True)
    assert [each.to_json() for each in heard.findings] == [
        each.to_json() for each in alone.findings
    ]


class FakeWriter:
    """The documented part of `SummaryWriter` that is used."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def add_scalar(self, *arguments: Any) -> None:
        self.calls.append(("scalar", *arguments))

    def add_text(self, *arguments: Any) -> None:
        self.calls.append(("text", *arguments))

    def flush(self) -> None:
        self.calls.append(("flush",))


def test_a_writer_of_yours_gets_scalars_and_text_and_stays_open() -> None:
    writer = FakeWriter()
    with TensorBoard(writer=writer) as tracker:
        tracker.numbers(3, {"loss": 0.5})
        tracker.text(3, "findings/WP301", "bad\n    evidence")
        tracker.rewind(2)
    assert writer.calls == [
        ("scalar", "loss", 0.5, 3),
        ("text", "findings/WP301", "    bad\n        evidence", 3),
        ("flush",),
    ]


@pytest.mark.parametrize("given", [{}, {"folder": "x", "writer": FakeWriter()}])
def test_tensorboard_wants_one_place(given: Any) -> None:
    with pytest.raises(ValueError, match="either a folder or a SummaryWriter"):
        TensorBoard(**given)


class FakeRun:
    """The documented part of a run of `wandb.init` that is used."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.metrics: list[tuple[str, dict[str, Any]]] = []
        self.logged: list[dict[str, Any]] = []
        self.finished = False

    def define_metric(self, name: str, **options: Any) -> None:
        self.metrics.append((name, options))

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def fake_wandb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module: Any = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None)
    module.init = FakeRun
    module.Table = lambda columns, data: SimpleNamespace(columns=columns, data=list(data))
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb_draws_over_our_steps_and_shows_all_texts_in_its_newest_table(
    fake_wandb: ModuleType,
) -> None:
    with WandB(project="p", mode="offline") as tracker:
        tracker.numbers(1, {"loss": 0.5})
        tracker.text(1, "findings/WP301", "bad")
        tracker.text(2, "findings/WP302", "worse")
        tracker.rewind(1)
        tracker.text(3, "events/resumed", "again")
    run = tracker._run
    assert run.options == {"project": "p", "mode": "offline"}
    assert run.metrics == [("step", {"hidden": True}), ("*", {"step_metric": "step"})]
    assert run.logged[0] == {"loss": 0.5, "step": 1}
    assert run.logged[2]["texts"].columns == ["step", "name", "text"]
    assert run.logged[2]["texts"].data == [
        [1, "findings/WP301", "bad"],
        [2, "findings/WP302", "worse"],
    ]
    assert [row[0] for row in run.logged[3]["texts"].data] == [1, 3]
    assert run.finished


def test_wandb_is_told_no_step_twice_by_a_run_that_goes_back(
    fake_wandb: ModuleType, tmp_path: Path
) -> None:
    memory = tmp_path / "wandb" / "told.json"
    with WandB(memory=memory) as first:
        first.text(0, "events/started", "from the start")
        for step in (10, 20, 30):
            first.numbers(step, {"train/loss": 1.0 / step})
            first.numbers(step, {"valid/snr": float(step)}) if step < 30 else None
        first.text(30, "findings/WP311", "a jump")
    with WandB(memory=memory) as second:
        second.rewind(10)
        second.text(10, "events/resumed", "again")
        for step in (20, 30, 40):
            second.numbers(step, {"train/loss": 1.0 / step})
            second.numbers(step, {"valid/snr": float(step)})
    rows = [row for row in second._run.logged if "texts" not in row]
    assert [row["step"] for row in rows if "train/loss" in row] == [40]
    assert [row["step"] for row in rows if "valid/snr" in row] == [30, 40]
    (table,) = [row["texts"].data for row in second._run.logged if "texts" in row]
    assert [row[:2] for row in table] == [[0, "events/started"], [10, "events/resumed"]]


def test_without_going_back_a_step_may_be_told_in_pieces(fake_wandb: ModuleType) -> None:
    with WandB() as tracker:
        tracker.numbers(1, {"loss/a": 0.5})
        tracker.numbers(1, {"loss/b": 0.7})
    assert tracker._run.logged == [{"loss/a": 0.5, "step": 1}, {"loss/b": 0.7, "step": 1}]


def test_a_damaged_memory_is_named(fake_wandb: ModuleType, tmp_path: Path) -> None:
    memory = tmp_path / "told.json"
    memory.write_text("{")
    with pytest.raises(ValueError, match=r"told\.json: cannot be read"):
        WandB(memory=memory)


def test_a_run_of_yours_goes_on(fake_wandb: ModuleType) -> None:
    run = FakeRun()
    with WandB(run):
        pass
    assert not run.finished


@pytest.mark.parametrize(
    ("hidden", "make", "extra"),
    [
        ("torch.utils.tensorboard", lambda: TensorBoard("x"), "tensorboard"),
        ("wandb", WandB, "wandb"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, hidden: str, make: Any, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(ImportError, match=rf"pip install 'wellposed\[{extra}\]'"):
        make()


def test_tensorboard_reads_back_numbers_and_findings_with_their_steps(tmp_path: Path) -> None:
    reader = pytest.importorskip(READER, reason="tensorboard is not installed")
    with TensorBoard(tmp_path) as tracker:
        guard = loop(6, bad=4, veto=True, listeners=[tracker])
        tracker.rewind(4)  # what comes of step 5 is not what happened
        tracker.numbers(5, {"guard/gradient_norm": 7.0})
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    norms = [(each.step, each.value) for each in events.Scalars("guard/gradient_norm")]
    assert [step for step, _ in norms] == [0, 1, 2, 3, 4, 5]
    assert norms[-1] == (5, 7.0)
    (tag,) = {f"findings/{each.code}/text_summary" for each in guard.findings}
    (text,) = events.Tensors(tag)
    assert text.step == 4
    assert guard.findings[0].title.encode() in text.tensor_proto.string_val[0]


@pytest.mark.filterwarnings("default")  # of wandb's own imports
def test_wandb_keeps_an_offline_run_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with WandB(dir=str(tmp_path), project="test", mode="offline") as tracker:
        loop(6, bad=4, veto=True, listeners=[tracker])
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    # Its own process writes the file, and may end a moment after the run.
    until = time.monotonic() + 60
    while b"guard/gradient_norm" not in file.read_bytes():
        assert time.monotonic() < until, "60 s have not brought the rows into the file"
        time.sleep(0.1)
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/table/texts_*.table.json"))
