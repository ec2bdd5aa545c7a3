"""The guard: one call per step, between the gradients and the optimizer; one per validation.

The promise with `veto=True`: a loss or gradient that is not finite never reaches the weights,
and no buffer keeps a trace of it. Without veto nothing is refused and the host never waits,
except once every `read_every` steps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim

from . import ranks
from .blame import nonfinite, with_evidence
from .examined import Examined
from .examiner import Examiner
from .findings import Finding, Severity
from .finite import FLAGS, Term, bad_gradients, measure
from .instruments import Watched
from .listening import Listener
from .locate import Location, Replay, locate
from .networks import Watchlist, as_models, as_optimizers, plain_module
from .notebook import html_of
from .plan import Plan
from .recall import Recall
from .recorder import FlightRecorder
from .rows import Row, Rows
from .streak import Streak

STATE_FORMAT = 2


class Guard(Examined):
    """Watches one or several networks while they train; see `step`.

    `models` and `optimizers` are one of each or dicts by name. `loss_scale` is the
    `get_scale` of a gradient scaler, if there is one: bad gradients under a finite loss and a
    scale above 1 are then its business, counted in `overflows`. `remember=False` lets go of the
    networks' inputs at once; a replay then needs `step(..., replay=...)`. `plan` is what the
    run intends; every `look_every` steps the guard looks at more than the row of a step.
    `listeners` are told of rows and findings, on the first process.
    """

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        optimizers: optim.Optimizer | Mapping[str, optim.Optimizer] | None = None,
        *,
        veto: bool = False,
        read_every: int = 64,
        recorder: FlightRecorder | None = None,
        loss_scale: Callable[[], float] | None = None,
        remember: bool = True,
        plan: Plan | None = None,
        look_every: int = 64,
        listeners: Sequence[Listener] = (),
    ) -> None:
        for name, value in (("read_every", read_every), ("look_every", look_every)):
            if value < 1:
                raise ValueError(f"Guard: {name} is {value}; wanted 1 or more steps.")
        self.models = as_models(models)
        self.findings: list[Finding] = []
        self.overflows = 0
        self.steps = 0
        self._veto = veto
        self._watched = Watchlist(self.models, as_optimizers(optimizers))
        self._recorder = recorder
        self._loss_scale = loss_scale
        self._listeners = tuple(listeners)
        self._recall = Recall(self.models if veto else {}, remember)
        self._rows = Rows(1 if veto else read_every)
        self._streak = Streak()
        self._latest: int | None = None
        watched = Watched(
            self.models, as_optimizers(optimizers), self._watched, plan or Plan(), look_every
        )
        self._terms = watched.terms
        self._examiner = Examiner(watched, self._rows)

    @property
    def refused_in_a_row(self) -> int:
        """How many steps up to the present one were refused; 0 after an accepted one."""
        return self._streak.in_a_row if self._veto else 0

    @property
    def refused_total(self) -> int:
        """How many steps were refused so far."""
        return self._streak.total if self._veto else 0

    def step(
        self,
        step: int,
        terms: Mapping[str, Term],
        estimate: Tensor | None = None,
        reference: Tensor | None = None,
        *,
        source: Tensor | None = None,
        batch: Mapping[str, Any] | None = None,
        replay: Replay | None = None,
    ) -> bool:
        """Judge the gradients that exist now; True: go on with `optimizer.step()`.

        False (only with veto): leave the weights alone; the gradients of all that is watched
        are gone (None), those of other players too, into which this backward pass has flowed.
        Call it once for each optimizer step; a generator and a critic share the number. With
        several processes every rank gets the same answer, so every rank must call it each step.

        `terms` are the parts of the loss; `source` is what the network was given, where it has
        the shape of `reference`, and is compared with it at due steps; `batch` is saved if the
        step is bad (without it, what the networks were given is saved); `replay` does the forward
        pass of this step once more and returns the terms, or their weighted sum, with a graph. It
        is called only for the first bad step in a row.
        """
        self._align(step, source, reference)
        parameters = self._watched.named()
        row = measure(terms, list(parameters.values()), estimate, reference)
        self.steps += step != self._latest
        self._latest, self._terms[:] = step, terms
        if not self._veto:
            self._judge_late(self._rows.add(step, list(terms), row))
            self._tell(self._examiner.visit(step, accepted=True))
            return True
        fresh = self._rows.add(step, list(terms), row)
        local = fresh[-1]
        agreed = local
        if ranks.several():
            flags = ranks.agree(row[: len(FLAGS)])
            agreed = Row(step, dict(zip(FLAGS, flags, strict=True)))
        accepted = agreed.healthy or (agreed.terms_finite and self._is_overflow())
        first = self._streak.judge(step, not accepted)
        if first:
            self._diagnose(local, parameters, row.device, batch, replay)
        if not accepted:
            self._recall.buffers.restore()
        self._recall.forget()
        self._pass_on(fresh)
        self._tell(self._examiner.rows(fresh))
        self._tell(self._examiner.visit(step, accepted))
        if not accepted:
            _clear(parameters.values())
        return accepted

    def read(self) -> list[Finding]:
        """Judge the rows still waiting on the device; all findings so far."""
        self._judge_late(self._rows.read())
        self._tell(self._examiner.read())
        return self.findings

    def word(self) -> str:
        """One word for a line of the log: `ok`, or the code of the latest finding above INFO."""
        grave = [each.code for each in self.findings if each.severity != Severity.INFO]
        return grave[-1] if grave else "ok"

    def report(self) -> str:
        """What was watched and found, for people (waits for the device)."""
        self.read()
        return "\n".join([self._head(), *(finding.text() for finding in self.findings)])

    def _repr_html_(self) -> str:
        """The same where a notebook shows it."""
        self.read()
        return html_of(self._head(), self.findings)

    def _head(self) -> str:
        refused = f", {self.refused_total} refused" if self._veto else ""
        overflows = f", {self.overflows} overflows left to the scaler" if self.overflows else ""
        found = f"{len(self.findings)} finding{'s' * (len(self.findings) != 1)}"
        return f"guard: {self.steps} steps watched{refused}{overflows}, {found}"

    def release(self) -> None:
        """Take every hook off the networks and optimizers; the report and the findings stay."""
        self.read()
        self._recall.release()
        self._examiner.release()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run has to know, as JSON values and tensors."""
        self.read()
        return {
            "format": STATE_FORMAT,
            "steps": self.steps,
            "latest": self._latest,
            "overflows": self.overflows,
            "streak": self._streak.state(),
            "findings": [finding.to_json() for finding in self.findings],
            "history": self._rows.state(),
            "examiner": self._examiner.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises ValueError for another format."""
        if state.get("format") != STATE_FORMAT:
            raise ValueError(
                f"Guard.load_state_dict: format {state.get('format')!r}; wanted {STATE_FORMAT}."
            )
        self.steps = state["steps"]
        self._latest = state["latest"]
        self.overflows = state["overflows"]
        self._streak.load(state["streak"])
        self.findings = [Finding.from_json(text) for text in state["findings"]]
        self._rows.load(state["history"])
        self._examiner.load(state["examiner"])
        self._recall.forget()

    def _is_overflow(self) -> bool:
        if self._loss_scale is None or self._loss_scale() <= 1:
            return False
        self.overflows += 1
        return True

    def _judge_late(self, rows: Sequence[Row]) -> None:
        if self._veto:
            return
        self._pass_on(rows)
        for row in rows:
            accepted = row.healthy or (row.terms_finite and self._is_overflow())
            if self._streak.judge(row.step, not accepted):
                names = list(self._watched.named())
                self._found(nonfinite(row, self._rows.trend(row), names), {})
        self._tell(self._examiner.rows(rows))

    def _tell(self, findings: Sequence[Finding]) -> list[Finding]:
        for finding in findings:
            self._found(finding, None)
        return list(findings)

    def _diagnose(
        self,
        row: Row,
        parameters: dict[str, Tensor],
        device: torch.device,
        batch: Mapping[str, Any] | None,
        replay: Replay | None,
    ) -> None:
        # On every rank, healthy or not: the replay may hold collective calls.
        finding = self._explained(row, parameters, replay)
        # What is saved are the weights and buffers from before the step.
        self._recall.buffers.restore()
        chosen, text = ranks.most_telling(finding.to_json(), _priority(row, finding), device)
        if ranks.several():
            finding = with_evidence(Finding.from_json(text), rank=chosen)
        self._found(finding, self._contents(batch) if chosen == ranks.rank() else None)

    def _explained(self, row: Row, parameters: dict[str, Tensor], replay: Replay | None) -> Finding:
        bad = bad_gradients(parameters)
        place: Location | None = None
        if (bad or not row.terms_finite or row.healthy) and (replay or self._recall.calls):
            place = locate(self.models, replay, recall=self._recall, backward=ranks.several())
        return nonfinite(row, self._rows.trend(row), list(parameters), bad, place)

    def _contents(self, batch: Mapping[str, Any] | None) -> dict[str, Any]:
        contents: dict[str, Any] = {"batch": None if batch is None else dict(batch)}
        contents["calls"] = [call.record() for call in self._recall.calls]
        if self._recorder is not None and self._recorder.weights:
            plain = {name: plain_module(module) for name, module in self.models.items()}
            contents["weights"] = {name: dict(each.state_dict()) for name, each in plain.items()}
        return contents

    def _found(self, finding: Finding, contents: Mapping[str, Any] | None) -> None:
        rows = list(self._rows.history)
        if self._recorder is not None and contents is not None:
            finding = with_evidence(finding, **self._recorder.save(finding, contents, rows))
        elif self._recorder is not None and finding.severity is not Severity.INFO:
            finding = with_evidence(finding, **self._recorder.note(finding, rows))
        self.findings.append(finding)
        for listener in self._listeners if ranks.rank() == 0 else ():
            listener.finding(finding)

    def _pass_on(self, rows: Sequence[Row]) -> None:
        for listener in self._listeners if rows and ranks.rank() == 0 else ():
            listener.rows(rows)


def _clear(parameters: Iterable[Tensor]) -> None:
    # Of all players: one that clears only its own before its backward pass would leave this NaN in
    # another's turn, whose step would then be refused for nothing. None, not 0: Adam moves on 0.
    for parameter in parameters:
        parameter.grad = None


def _priority(row: Row, finding: Finding) -> int:
    # Where several ranks report, the one that knows most is heard: lowest first.
    if row.healthy:
        return 4
    return (0 if "operation" in finding.evidence else 2) + row.terms_finite
