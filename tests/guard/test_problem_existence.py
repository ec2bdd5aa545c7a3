"""Existence: is there a way, and is every part connected? A sick problem for every question."""

import pytest
import torch
from little_problem import Smoother, batch, error, problem
from torch import Tensor, nn

from wellposed.guard import Severity
from wellposed.guard.audit import Audit
from wellposed.guard.audit.problem import Between, Observation, Problem, audit_problem
from wellposed.guard.audit.problem.questions.parts_meet import groups
from wellposed.guard.plan import Plan


def asked(given: Problem, question: str, *, quick: bool = False) -> Audit:
    return audit_problem(given, quick, only=(question,))


def snr_db(estimate: Tensor, batch: dict[str, Tensor]) -> Tensor:
    gap = (estimate - batch["clean"]).square().sum(-1)
    return 10 * torch.log10(batch["clean"].square().sum(-1) / gap)


def trivial(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    clean = batch["clean"]
    return {
        "silence": torch.zeros_like(clean), "input": batch["noisy"], "reference": 0.9999 * clean
    }  # fmt: skip


YARDSTICKS = {"snr_db": (snr_db, "higher"), "error": (error, "lower")}


class Forgetful(Smoother):
    """Holds a layer that is never called, and one behind a cut."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Linear(3, 3)
        self.cut = nn.Conv1d(1, 1, 1)

    def forward(self, noisy: Tensor) -> Tensor:
        return super().forward(noisy) + 0.1 * self.cut(noisy[:, None])[:, 0].detach()


def test_parameters_without_gradient_are_named_with_their_module():
    audit = asked(problem(build=lambda: {"model": Forgetful()}), "parameters_move")
    (finding,) = audit.findings
    assert (finding.code, finding.severity) == ("WP114", Severity.FAIL)
    assert finding.evidence["subject"] == "never.weight, never.bias, cut.weight, cut.bias"
    assert finding.evidence["module"] == "Linear"


def test_parameters_that_the_optimizer_lacks_are_named():
    def partial(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters[:2], 1e-2)

    (finding,) = asked(problem(optimizer=partial), "parameters_move").findings
    assert finding.evidence["subject"] == "second.weight, second.bias"
    assert "have a gradient and do not move" in finding.title


def test_a_branch_that_is_drawn_is_no_failure():
    class Drawn(Smoother):
        def __init__(self) -> None:
            super().__init__()
            self.rare = nn.Conv1d(1, 1, 1)

        def forward(self, noisy: Tensor) -> Tensor:
            made = super().forward(noisy)
            made = made + 0.01 * torch.randn_like(made)
            return made + self.rare(noisy[:, None])[:, 0] if torch.rand(()) < 1e-6 else made

    (finding,) = asked(problem(build=lambda: {"model": Drawn()}), "parameters_move").findings
    assert finding.severity is Severity.WARN


def test_a_layer_that_starts_at_zero_is_healthy():
    def build() -> dict[str, nn.Module]:
        model = Smoother()
        nn.init.zeros_(model.second.weight)
        return {"model": model}

    assert asked(problem(build=build), "parameters_move").findings == ()


class Guided(nn.Module):
    """`(batch, channel, time)` and a number an item; hears what it is told to."""

    def __init__(self, channels: int = 2, heard: int = 2, gate: float = 1.0) -> None:
        super().__init__()
        self.heard, self.gate = heard, gate
        self.mix = nn.Conv1d(channels, 1, 3, padding=1)
        self.told = nn.Embedding(4, 1)

    def forward(self, pair: Tensor, number: Tensor) -> Tensor:
        kept = torch.zeros_like(pair)
        kept[:, : self.heard] = pair[:, : self.heard]
        return self.mix(kept)[:, 0] * (1 + self.gate * self.told(number))


def guided(**changes: object) -> Problem:
    def two(number: int) -> dict[str, Tensor]:
        given = batch(number)
        pair = torch.stack([given["noisy"], given["noisy"].roll(3, -1)], 1)
        return {"pair": pair, "number": torch.arange(4), "clean": given["clean"]}

    def estimate(networks: dict[str, nn.Module], batch: dict[str, Tensor]) -> Tensor:
        return networks["model"](batch["pair"], batch["number"])

    return problem(
        build=lambda: {"model": Guided(**changes)},  # type: ignore[bad-argument-type]
        batch=two,
        inputs=("pair", "number"),
        estimate=estimate,
        terms=lambda networks, batch: {"square": error(estimate(networks, batch), batch)},
        axes={"pair": {"channel": 1, "time": 2}},
    )


def test_all_inputs_channels_and_times_reach_the_output():
    audit = asked(guided(), "inputs_reach")
    assert audit.findings == ()
    assert len(audit.numbers["share_of_output_reached"]) == 1 + 2 + 4 + 1


def test_a_channel_that_is_never_heard_is_named():
    (finding,) = asked(guided(heard=1), "inputs_reach").findings
    assert (finding.code, finding.severity) == ("WP120", Severity.FAIL)
    assert finding.title == "pair, channel 2 of 2 changes no bit of the estimate"


def test_a_condition_that_is_multiplied_by_zero_is_named():
    (finding,) = asked(guided(gate=0.0), "inputs_reach").findings
    assert finding.evidence["subject"] == "number"


class Banded(nn.Module):
    """`(batch, time)` to itself: bands of a spectrum, mixed or not, then a mask."""

    def __init__(self, mixing: str) -> None:
        super().__init__()
        self.mixing = mixing
        self.split = nn.Linear(4, 6)
        # The layer that was called "cross-band": it mixes the features of each band by itself.
        self.features = nn.Linear(6, 6)
        self.bands = nn.LSTM(6, 3, bidirectional=True, batch_first=True)
        self.blocks = nn.Identity()
        self.mask = nn.Linear(6, 4)

    def forward(self, noisy: Tensor) -> Tensor:
        frames = noisy.unflatten(-1, (4, 16))
        spectrum = torch.fft.rfft(frames)[..., :8]
        made = self.split(torch.view_as_real(spectrum).unflatten(2, (4, 2)).flatten(3))
        made = torch.tanh(self.features(made))
        if self.mixing == "all":
            made = self.bands(made.flatten(0, 1))[0].unflatten(0, made.shape[:2])
        elif self.mixing == "halves":
            parts = (self.bands(part.flatten(0, 1))[0] for part in made.chunk(2, 2))
            made = torch.cat([p.unflatten(0, made.shape[:2]) for p in parts], 2)
        taps = self.mask(self.blocks(made)).unflatten(-1, (2, 2)).flatten(2, 3)
        mask = torch.view_as_complex(taps.contiguous())
        out = torch.fft.irfft(nn.functional.pad(spectrum * mask, (0, 1)), n=16)
        return out.flatten(1)


@pytest.mark.parametrize(("mixing", "count"), [("all", 1), ("halves", 2), ("none", 4)])
def test_bands_that_never_exchange_information_are_found(mixing: str, count: int):
    between = {"band": Between("model.split", "model.blocks", 2, 2)}
    given = problem(build=lambda: {"model": Banded(mixing)}, between=between)
    audit = asked(given, "parts_meet")
    if count == 1:
        assert audit.findings == ()
        assert "16 of 16 pairs" in audit.answers[0].text
        return
    (finding,) = audit.findings
    assert (finding.code, finding.severity) == ("WP121", Severity.FAIL)
    assert finding.evidence["groups"] == count
    lone = problem(build=lambda: {"model": Banded(mixing)}, between=between, apart=("band",))
    assert asked(lone, "parts_meet").answers[0].text.endswith("as declared")


@pytest.mark.parametrize("mixing", [True, False])
def test_spectra_are_asked_at_the_input_and_the_estimate(mixing: bool):
    class Bands(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.along = nn.Conv1d(1, 1, 3, padding=1) if mixing else nn.Conv1d(1, 1, 1)

        def forward(self, noisy: Tensor) -> Tensor:
            return self.along(noisy[:, None])[:, 0]

    axes = {"noisy": {"band": 1}, "estimate": {"band": 1}}
    audit = asked(problem(build=lambda: {"model": Bands()}, axes=axes), "parts_meet")
    assert audit.codes() == (set() if mixing else {"WP121"})


def test_a_module_that_is_not_there_is_not_asked():
    between = {"band": Between("model.nowhere", "model.second", 2, 2)}
    (answer,) = asked(problem(between=between), "parts_meet").answers
    assert not answer.asked
    assert "there is no module 'model.nowhere'" in answer.text


def test_groups_are_chained_over_the_pieces_between():
    line = [[abs(row - column) <= 1 for column in range(5)] for row in range(5)]
    assert groups(line) == [[0, 1, 2, 3, 4]]
    apart = [[row // 2 == column // 2 for column in range(4)] for row in range(4)]
    assert groups(apart) == [[0, 1], [2, 3]]


def test_a_plan_that_arrives_is_told_with_its_slowest_weight():
    (answer,) = asked(problem(), "rate_arrives").answers
    assert answer.word == "ok"
    assert "each of 2 weights" in answer.text


def test_a_rate_that_cannot_arrive_fails_and_one_that_is_meant_is_not_asked():
    def slow(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, 1e-6)

    (finding,) = asked(problem(optimizer=slow), "rate_arrives").findings
    assert (finding.code, finding.severity) == ("WP104", Severity.FAIL)
    tuned = problem(optimizer=slow, plan=Plan(steps=1000, fine_tuning=True))
    assert not asked(tuned, "rate_arrives").answers[0].asked


def test_the_schedule_counts_not_the_number_of_steps():
    short = problem(plan=Plan(steps=1000, rate=lambda step: float(step < 10)))
    assert asked(short, "rate_arrives").numbers["planned_steps_at_full_rate"] == 10


def test_a_step_longer_than_the_weights_is_told():
    def wild(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, 10.0)

    assert "WP117" in asked(problem(optimizer=wild), "rate_arrives").codes(Severity.WARN)


def test_a_few_items_are_learned_by_heart_and_judged_by_the_yardstick():
    given = problem(yardsticks=YARDSTICKS, select="snr_db", trivial=trivial)
    audit = asked(given, "overfit")
    assert audit.findings == ()
    assert audit.numbers["overfit_to"] > audit.numbers["overfit_from"]
    assert "above input" in audit.answers[0].text


def test_a_loss_that_falls_while_the_yardstick_does_not_is_named():
    def energy(networks: dict[str, nn.Module], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        estimate = networks["model"](batch["noisy"])
        return {"energy": 10 * torch.log10(estimate.square().mean(-1) + 1e-8)}

    given = problem(terms=energy, yardsticks=YARDSTICKS, select="snr_db", trivial=trivial)
    found = {finding.severity: finding for finding in asked(given, "overfit").findings}
    assert found[Severity.FAIL].code == "WP407"
    assert "but snr_db went from" in found[Severity.FAIL].title
    assert found[Severity.WARN].evidence["subject"] == "error"


def test_a_yardstick_that_falls_before_it_rises_is_not_condemned_after_few_steps():
    looks = iter([1.0, 0.5, 0.5, 0.5, 0.5, 2.0, 2.0])

    def dips(estimate: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return torch.full((len(estimate),), next(looks))

    given = problem(yardsticks={"dips": (dips, "higher")}, select="dips")
    audit = asked(given, "overfit", quick=True)
    assert audit.findings == ()
    assert audit.numbers["overfit_steps"] == 5 * 20


def test_a_quick_question_ends_as_soon_as_the_yardstick_has_risen():
    def rises(estimate: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return -(estimate - batch["clean"]).square().mean(-1)

    given = problem(
        yardsticks={"rises": (rises, "higher")},
        select="rises",
        trivial=lambda batch: {"unbeaten": batch["clean"]},
    )
    assert asked(given, "overfit", quick=True).numbers["overfit_steps"] == 40


def test_a_loss_that_does_not_fall_is_named():
    def still(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, 0.0)

    given = problem(optimizer=still, yardsticks=YARDSTICKS, select="snr_db")
    (finding,) = asked(given, "overfit", quick=True).findings
    assert (finding.code, finding.severity) == ("WP123", Severity.FAIL)


def test_without_yardsticks_a_loss_does_not_judge_itself():
    (answer,) = asked(problem(), "overfit").answers
    assert "a loss cannot judge itself" in answer.text
    assert not answer.asked


def distances(microphones: Tensor):
    """Distances of a source `(3,)` to microphones `(n, 3)`."""
    return lambda source: (source - microphones).norm(dim=-1)


def test_three_coordinates_follow_from_distances_to_four_microphones():
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    points = torch.tensor([[0.3, 0.4, 2.0], [1.0, 3.0, 0.5]], dtype=torch.float64)
    given = problem(observation=Observation(distances(corners), list(points)))
    audit = asked(given, "measurements_suffice")
    assert audit.findings == ()
    assert (audit.numbers["measurements"], audit.numbers["unknowns"]) == (4, 3)


def test_microphones_in_a_line_leave_one_direction_free():
    line = torch.tensor([[x, 0.0, 0.0] for x in (0.0, 1.0, 2.0, 3.0)], dtype=torch.float64)
    beside = torch.tensor([0.3, 0.0, 2.0], dtype=torch.float64)
    given = problem(observation=Observation(distances(line), [beside]))
    (finding,) = asked(given, "measurements_suffice").findings
    assert (finding.code, finding.severity) == ("WP122", Severity.FAIL)
    # The source turns around the line: from (0, 2) it can only go along y.
    assert finding.evidence["subject"] == "unknown 1"
    assert finding.evidence["rank"] == 2


def test_what_is_free_is_named_and_so_is_what_was_not_given():
    line = torch.tensor([[x, 0.0, 0.0] for x in (0.0, 1.0)], dtype=torch.float64)
    beside = torch.tensor([0.3, 0.0, 2.0], dtype=torch.float64)
    names = {"along": 1, "across": 2}
    observed = Observation(distances(line), [beside], names, "a microphone out of line")
    (finding,) = asked(problem(observation=observed), "measurements_suffice").findings
    assert finding.evidence["subject"] == "unknown 1 (across)"
    assert "not given: a microphone out of line" in finding.text()
