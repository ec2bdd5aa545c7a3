"""Uniqueness: no leak, one path, a metric that knows its place. A sick problem for each."""

import torch
from little_problem import Smoother, batch, error, problem
from torch import Tensor, nn

from wellposed.guard import Severity
from wellposed.guard.audit import Audit, Probes
from wellposed.guard.audit.problem import Problem, audit_problem

Batch = dict[str, Tensor]
Networks = dict[str, nn.Module]


def asked(given: Problem, question: str) -> Audit:
    return audit_problem(given, only=(question,))


def test_an_estimate_of_the_inputs_alone_keeps_every_bit():
    (answer,) = asked(problem(), "label_leak").answers
    assert answer.word == "ok"


def test_a_blend_with_the_label_is_found_behind_a_detach():
    def blended(networks: Networks, batch: Batch) -> Tensor:
        return 0.7 * networks["model"](batch["noisy"]) + 0.3 * batch["clean"].detach()

    (finding,) = asked(problem(estimate=blended), "label_leak").findings
    assert (finding.code, finding.severity) == ("WP206", Severity.FAIL)
    assert finding.evidence["subject"] == "clean"


def test_a_leak_in_training_mode_alone_is_found():
    def sometimes(networks: Networks, batch: Batch) -> Tensor:
        made = networks["model"](batch["noisy"])
        return made + 1e-6 * batch["clean"] if networks["model"].training else made

    (finding,) = asked(problem(estimate=sometimes), "label_leak").findings
    assert finding.evidence["mode"] == "training"


def test_draws_that_are_not_seeded_leave_it_unasked():
    own = torch.Generator().manual_seed(0)

    def drawn(networks: Networks, batch: Batch) -> Tensor:
        made = networks["model"](batch["noisy"])
        return made + torch.randn(made.shape, generator=own)

    (answer,) = asked(problem(estimate=drawn), "label_leak").answers
    assert not answer.asked


TIME = {"axes": {"noisy": {"time": 1}, "estimate": {"time": 1}}, "lookahead": 0}


def test_a_causal_network_is_taken_at_its_word():
    given = problem(build=lambda: {"model": Smoother(causal=True)}, **TIME)
    (answer,) = asked(given, "future_leak").answers
    assert answer.word == "ok"


def test_a_filter_that_is_centred_looks_ahead_by_its_reach():
    (finding,) = asked(problem(**TIME), "future_leak").findings
    assert (finding.code, finding.severity) == ("WP214", Severity.FAIL)
    assert finding.evidence["samples_ahead"] == 4
    declared = problem(**(TIME | {"lookahead": 4}))
    assert asked(declared, "future_leak").findings == ()


def test_a_norm_over_time_is_found():
    class Normed(Smoother):
        def __init__(self) -> None:
            super().__init__(causal=True)
            self.norm = nn.GroupNorm(1, 1)

        def forward(self, noisy: Tensor) -> Tensor:
            return super().forward(self.norm(noisy[:, None])[:, 0])

    (finding,) = asked(problem(build=lambda: {"model": Normed()}, **TIME), "future_leak").findings
    assert int(finding.evidence["past_samples_changed"]) >= 16


def test_use_that_calls_the_same_network_agrees():
    given = problem(use=lambda networks, inputs: networks["model"](inputs["noisy"]))
    (answer,) = asked(given, "paths_agree").answers
    assert answer.word == "ok"


def test_use_one_by_one_differs_by_rounding_alone():
    def single(networks: Networks, inputs: Batch) -> Tensor:
        return torch.cat([networks["model"](row[None]) for row in inputs["noisy"]])

    assert asked(problem(use=single), "paths_agree").findings == ()


def test_use_that_normalises_its_input_is_found():
    def normalised(networks: Networks, inputs: Batch) -> Tensor:
        peak = inputs["noisy"].abs().amax(-1, keepdim=True)
        return peak * networks["model"](inputs["noisy"] / peak)

    (finding,) = asked(problem(use=normalised), "paths_agree").findings
    assert (finding.code, finding.severity) == ("WP207", Severity.FAIL)


def test_use_may_differ_as_declared_and_no_more():
    def on_a_grid(networks, batch):
        return (networks["model"](batch["noisy"]) / 2**-5).round() * 2**-5

    # The rounding of a grid is 2^-5 / sqrt(12) by root mean square, 0.9 % of an estimate of size 1.
    (answer,) = asked(problem(use=on_a_grid, use_rounds=0.02), "paths_agree").answers
    assert answer.finding is None
    assert "declared: at most 0.02" in answer.text
    (finding,) = asked(problem(use=on_a_grid, use_rounds=0.005), "paths_agree").findings
    assert finding.code == "WP207"
    assert "allowed 0.005 as declared" in finding.title
    assert asked(problem(use=on_a_grid), "paths_agree").findings


def test_use_that_loses_the_tail_is_found_by_its_shape():
    def shortened(networks: Networks, inputs: Batch) -> Tensor:
        return networks["model"](inputs["noisy"])[:, :-1]

    (finding,) = asked(problem(use=shortened), "paths_agree").findings
    assert "another shape" in finding.title


def test_use_is_not_given_the_labels():
    def cheating(networks: Networks, inputs: Batch) -> Tensor:
        assert "clean" not in inputs
        return networks["model"](inputs["noisy"])

    assert asked(problem(use=cheating), "paths_agree").findings == ()


def trivial(batch: Batch) -> Batch:
    clean = batch["clean"]
    return {"silence": torch.zeros_like(clean), "input": batch["noisy"], "reference": clean}


def ranked(score: object, better: str) -> Audit:
    scenes = [batch(number) for number in range(100, 108)]
    return asked(
        problem(
            yardsticks={"mine": (score, better)}, select="mine", trivial=trivial, validation=scenes
        ),
        "trivial_ranked",
    )


def test_a_metric_that_knows_its_place_ranks_the_reference_first():
    audit = ranked(error, "lower")
    assert audit.findings == ()
    assert "reference 0, input 0.2" in audit.answers[0].text


def test_a_metric_that_pays_for_silence_fails():
    (finding,) = ranked(lambda estimate, batch: estimate.square().mean(-1), "lower").findings
    assert (finding.code, finding.severity) == ("WP402", Severity.FAIL)
    assert finding.evidence["subject"] == "silence"


def test_a_metric_that_prefers_silence_to_the_input_is_a_warning():
    def loud_noise(estimate: Tensor, batch: Batch) -> Tensor:
        gap = (estimate - batch["clean"]).square().mean(-1)
        return torch.where(estimate.abs().amax(-1) == 0, 0.5 * gap.clamp(max=0.1), gap)

    found = ranked(loud_noise, "lower").findings
    assert [(each.code, each.severity) for each in found] == [("WP402", Severity.WARN)]


def test_an_input_without_noise_is_as_good_as_the_reference_and_no_finding():
    scenes = [batch(number) for number in range(100, 104)]
    scenes[1] = {**scenes[1], "noisy": scenes[1]["clean"]}
    given = problem(
        yardsticks={"mine": (error, "lower")},
        select="mine",
        trivial=lambda batch: {**trivial(batch), "reference": batch["clean"] + 1e-3},
        validation=scenes,
    )
    assert asked(given, "trivial_ranked").findings == ()


def test_scores_that_are_missing_are_no_rivals():
    def defined(estimate: Tensor, batch: Batch) -> list[float | None]:
        gaps = (estimate - batch["clean"]).square().mean(-1).tolist()
        silent = (estimate.abs().amax(-1) == 0).tolist()
        return [None if none else gap for none, gap in zip(silent, gaps, strict=True)]

    audit = ranked(defined, "lower")
    assert audit.findings == ()
    assert "no score: silence" in audit.answers[0].text


def speech(number: int) -> Batch:
    """Sounds with something in every band, as real labels have."""
    clean = Probes.synthetic(number).reference
    return {"noisy": clean + 0.01 * torch.randn_like(clean), "clean": clean}


def selected(score: object, better: str, **changes: object) -> Audit:
    given = {"yardsticks": {"mine": (score, better)}, "select": "mine", "batch": speech}
    return asked(problem(**(given | changes)), "metric_audited")


def test_an_error_passes_the_audit_of_a_loss():
    (answer,) = selected(error, "lower").answers
    assert answer.word == "ok"
    assert answer.text.startswith("mine: the best gain is 1 (+0.0 dB); silence costs as much as")


def test_a_metric_that_pays_for_silence_fails_the_audit_of_a_loss():
    audit = selected(lambda estimate, batch: -estimate.square().mean(-1), "higher")
    assert {"WP101", "WP201"} <= audit.codes(Severity.FAIL)
    assert audit.findings[0].title.startswith("mine as a loss: ")


def test_blindness_to_the_level_is_found_unless_it_is_declared():
    def alike(estimate: Tensor, batch: Batch) -> Tensor:
        return torch.cosine_similarity(estimate, batch["clean"], -1)

    assert selected(alike, "higher").codes(Severity.FAIL) == {"WP202"}
    assert selected(alike, "higher", blind=("gain",)).findings == ()


def test_a_metric_of_other_than_waveforms_is_not_asked():
    (answer,) = selected(error, "lower", labels=()).answers
    assert not answer.asked


def test_order_below_the_worth_of_silence_is_a_remark():
    def floored(estimate: Tensor, batch: Batch) -> Tensor:
        gap = (estimate - batch["clean"]).square().mean(-1)
        power = batch["clean"].square().mean(-1)
        return torch.where(gap > 30 * power, 5 * power, gap)

    (finding,) = selected(floored, "lower").findings
    assert (finding.code, finding.severity) == ("WP211", Severity.INFO)


def compared(estimate: Tensor, batch: Batch) -> Batch:
    level = 10 * torch.log10(estimate.square().mean(-1) + 1e-8)
    return {"square": (estimate - batch["clean"]).square().mean(-1), "level": level}


def test_a_loss_of_terms_is_asked_with_their_weights():
    given = problem(batch=speech, compare=compared, weights={"level": 0.0})
    audit = asked(given, "loss_audited")
    assert audit.codes(Severity.FAIL) == set()
    assert {each.question for each in audit.answers} == {"existence", "uniqueness", "stability"}
    heavy = asked(problem(batch=speech, compare=compared), "loss_audited")
    assert "WP101" in heavy.codes(Severity.FAIL)
    assert all(each.title.startswith("the loss: ") for each in heavy.findings)
