"""One step: the numbers by hand, whole batches and pieces alike, and types in mixed precision."""

import math
from typing import Any

import pytest
import torch
from runs import left_by, rows, train, weights
from test_resume import enhance_recipe
from toy import CPU, Duel, Toy, recipe

from wellposed.dsp.stft import Stft
from wellposed.engine.distributed import World
from wellposed.engine.journal import Journal
from wellposed.engine.launch import start
from wellposed.engine.optimise import make_optimizer
from wellposed.engine.run import Run
from wellposed.engine.sections import Optimizer
from wellposed.engine.storage import checkpoint
from wellposed.engine.storage.runfolder import RunFolder
from wellposed.systems.enhance import system as enhance_system
from wellposed.systems.enhance.objective import TERMS
from wellposed.systems.enhance.system import Enhance


def a_run(made: Any, tmp_path, kind: Any = Toy) -> Run:
    folder = RunFolder(tmp_path)
    return Run(kind(made), folder, World(0, 1, CPU), Journal(folder, made, leads=False))


def test_the_first_step_is_the_one_of_adam_by_hand(tmp_path):
    # Without decay the first step of Adam is rate * g / (|g| + eps) for every entry.
    made = recipe(optimizer={"weight_decay": 0.0, "learning_rate": 0.01, "clip_norm": 1e9})
    run = a_run(made, tmp_path)
    before = {k: v.clone() for k, v in run.networks["model"].state_dict().items()}
    gradients: dict[str, torch.Tensor] = {}
    for name, parameter in run.networks["model"].named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda p, name=name: gradients.update({name: p.grad.clone()})
        )
    values = run.stepper.step(run.system, run.batches.batch(0), 0)
    assert values is not None
    rate = 0.01 / 2  # the first of two steps of warm-up
    for name, gradient in gradients.items():
        expected = before[name] - rate * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(
            run.networks["model"].get_parameter(name).detach(), expected, rtol=1e-5, atol=1e-7
        )
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
    assert float(values["gradient_norm"]) == pytest.approx(norm, rel=1e-5)
    weighted = 1.0 * values["loss/square"] + 0.1 * values["loss/size"]
    assert float(values["loss"]) == pytest.approx(float(weighted), rel=1e-6)


def test_matrices_decay_and_vectors_do_not():
    network = torch.nn.Linear(2, 3)
    matrices, vectors = make_optimizer([network], Optimizer(weight_decay=0.5)).param_groups
    assert (matrices["params"], matrices["weight_decay"]) == ([network.weight], 0.5)
    assert (vectors["params"], vectors["weight_decay"]) == ([network.bias], 0.0)


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(tmp_path):
    norms = []
    for accumulate in (1, 2, 4):
        made = recipe(training={"accumulate": accumulate}, model={"dropout": 0.0})
        run = a_run(made, tmp_path)
        values = run.stepper.step(run.system, run.batches.batch(0), 0)
        assert values is not None
        norms.append([float(values[key]) for key in ("gradient_norm", "loss", "loss/size")])
    # Sums of four float32 numbers in another order.
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    assert norms[2] == pytest.approx(norms[0], rel=1e-5)


def test_no_player_is_given_gradients_that_another_has_left(tmp_path):
    run = a_run(recipe(Duel), tmp_path, Duel)
    seen: list[bool] = []
    backward = run.stepper.backward

    def spy(*arguments):
        nets = run.networks.values()
        seen.append(all(p.grad is None for net in nets for p in net.parameters()))
        return backward(*arguments)

    run.stepper.backward = spy  # type: ignore[method-assign]
    for step in range(2):
        run.stepper.step(run.system, run.batches.batch(step), step)
    assert seen == [True] * 4


@pytest.mark.parametrize("kind", [Toy, Duel])
def test_bfloat16_is_resumed_bit_for_bit(kind, tmp_path):
    made = recipe(kind, training={"precision": "bfloat16"})
    whole = train(made, tmp_path / "whole", kind=kind)
    pieces = train(made, tmp_path / "pieces", 2, 5, kind=kind)
    assert left_by(pieces) == left_by(whole)
    plain = train(recipe(kind), tmp_path / "plain", kind=kind)
    assert any(not torch.equal(v, weights(whole)[k]) for k, v in weights(plain).items())
    state = checkpoint.latest(whole / "checkpoints")[1]
    for value in (*weights(whole).values(), *state["average"]["weights"].values()):
        assert value.dtype in (torch.float32, torch.int64)


def test_in_bfloat16_the_network_is_narrow_and_spectra_and_losses_are_not(tmp_path, monkeypatch):
    base = enhance_recipe()
    made = base.model_copy(
        update={"training": base.training.model_copy(update={"precision": "bfloat16"})}
    )
    run = a_run(made, tmp_path, Enhance)
    outputs: dict[str, torch.dtype] = {}

    def note(name):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            outputs[name] = first.dtype

        return hook

    for name, module in run.networks["model"].named_modules():
        module.register_forward_hook(note(name))
    spectra: set[torch.dtype] = set()
    forward, inverse, terms = Stft.forward, Stft.inverse, enhance_system.enhance_terms

    def spied_forward(self, waveform):
        spectra.update({waveform.dtype, (made := forward(self, waveform)).dtype})
        return made

    def spied_inverse(self, spectrum, samples):
        spectra.update({spectrum.dtype, (made := inverse(self, spectrum, samples)).dtype})
        return made

    compared: dict[str, torch.dtype] = {}

    def spied_terms(*arguments):
        made = terms(*arguments)
        compared.update({name: value.dtype for name, value in made.items()})
        return made

    monkeypatch.setattr(Stft, "forward", spied_forward)
    monkeypatch.setattr(Stft, "inverse", spied_inverse)
    monkeypatch.setattr(enhance_system, "enhance_terms", spied_terms)
    values = run.stepper.step(run.system, run.batches.batch(0), 0)
    assert values is not None
    recurrent = [d for name, d in outputs.items() if name.endswith((".lstm", ".out"))]
    assert len(recurrent) == 8  # two layers in each of four paths
    assert set(recurrent) == {torch.bfloat16}
    assert outputs["taps"] == torch.complex64
    assert outputs[""] == torch.float32
    assert spectra == {torch.float32, torch.complex64}
    assert compared == dict.fromkeys(TERMS, torch.float32)
    assert {value.dtype for value in values.values()} == {torch.float32}
    for parameter in run.networks["model"].parameters():
        assert parameter.dtype == torch.float32
        moments = run.moving.optimizers["model"].state[parameter]
        assert moments["exp_avg"].dtype == moments["exp_avg_sq"].dtype == torch.float32


def test_in_bfloat16_the_enhance_system_is_resumed_bit_for_bit(tmp_path):
    base = enhance_recipe()
    training = base.training.model_copy(update={"precision": "bfloat16", "steps": 3})
    made = base.model_copy(update={"training": training})
    whole = train(made, tmp_path / "whole", kind=Enhance)
    assert left_by(train(made, tmp_path / "pieces", 1, kind=Enhance)) == left_by(whole)


def test_an_overflow_in_float16_lowers_the_scale_and_is_no_refusal(tmp_path, monkeypatch):
    # At the first scale, 2**16, a gradient above 1 exceeds 65,504, the largest float16.
    terms = Toy.terms

    def steep(self, player, networks, batch, moment):
        made = terms(self, player, networks, batch, moment)
        if moment.step != 2:
            return made
        narrow = networks["model"](batch["noisy"]).half()
        return made | {"square": (100 * narrow).abs().float().mean(-1)}

    monkeypatch.setattr(Toy, "terms", steep)
    made = recipe(training={"precision": "float16", "log_every": 1})
    run = start(Toy, made, tmp_path / "run", None)
    found = [row for row in rows(run) if row["kind"] == "train"]
    assert ["gradient_norm" in row["values"] for row in found] == [True] * 2 + [False] + [True] * 5
    assert [row["kind"] for row in rows(run) if row.get("event") == "refused"] == []
    _, state, _ = checkpoint.latest(run / "checkpoints")
    assert state["scaler"]["scale"] == 2.0**15
    assert state["guard"]["overflows"] == 1
    pieces = train(made, tmp_path / "pieces", 2, 3)
    assert left_by(pieces) == left_by(run)
