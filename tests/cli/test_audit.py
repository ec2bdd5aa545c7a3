"""`wellposed audit` as a person meets it: what is printed, and with which exit status."""

import json
from pathlib import Path

import pytest
import torch

from wellposed.cli import main

LOSSES = '''
"""Losses of a user."""
import torch

def l1(estimate, reference):
    return (estimate - reference).abs().mean()

def energy(estimate, reference):
    return 10 * torch.log10(estimate.square().mean() + 1e-8)

def magnitudes(estimate, reference):
    return (estimate.abs() - reference.abs()).square().mean()

def stereo(estimate, reference):
    return (estimate[:, 1, :] - reference[:, 1, :]).abs().mean()

class Sized(torch.nn.Module):
    def __init__(self, size):
        super().__init__()

class Plain(torch.nn.Module):
    def forward(self, estimate, reference):
        return l1(estimate, reference)

def nothing():
    return 3

number = 3
'''

PROBLEM = '''
"""A problem of a user."""
import torch
from wellposed.guard import Problem

def batch(number):
    draws = torch.Generator().manual_seed(number)
    clean = torch.randn(4, 16, generator=draws)
    return {"noisy": clean + torch.randn(4, 16, generator=draws), "clean": clean}

def estimate(networks, batch):
    return networks["model"](batch["noisy"])

def terms(networks, batch):
    return {"l1": (estimate(networks, batch) - batch["clean"]).abs().mean(-1)}

def build():
    return {"model": torch.nn.Linear(16, 16)}

def frozen():
    model = torch.nn.Linear(16, 16)
    model.unused = torch.nn.Linear(2, 2)
    return {"model": model}

def problem(build=build):
    return Problem(
        build=build, batch=batch, inputs=["noisy"], labels=["clean"],
        estimate=estimate, terms=terms,
        optimizer=lambda parameters: torch.optim.Adam(parameters, 1e-3),
    )

def good():
    return problem()

def sick():
    return problem(frozen)
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of losses, current and importable once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_losses.py").write_text(LOSSES)
    (tmp_path / "my_problem.py").write_text(PROBLEM)
    monkeypatch.delitem(__import__("sys").modules, "my_losses", raising=False)
    monkeypatch.delitem(__import__("sys").modules, "my_problem", raising=False)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_a_sound_loss_gives_zero_and_one_that_pays_for_silence_gives_one(capsys):
    assert main(["audit", "my_losses:l1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("my_losses:l1\n  total on waveforms")
    assert "0 FAIL" in said
    assert main(["audit", "my_losses:energy"]) == 1
    assert "FAIL  WP101  silence costs as much" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_class_of_modules_is_made_and_asked(capsys):
    assert main(["audit", "my_losses:Plain"]) == 0
    assert "my_losses:Plain" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_json_goes_to_machines_and_numbers_to_the_curious(capsys):
    assert main(["audit", "my_losses:energy", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert {"WP101", "WP201"} <= {each["code"] for each in record["findings"]}
    assert main(["audit", "my_losses:l1", "--numbers"]) == 0
    assert "worth of silence db" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_spectral_losses_are_asked_with_spectra_and_their_declared_blindness(capsys):
    arguments = ["audit", "my_losses:magnitudes", "--domain", "spectrum"]
    assert main([*arguments, "--invariances", "phase"]) == 0
    assert "blind to" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("my_losses:l2", "has no 'l2'"),
        ("nowhere:l1", "no module 'nowhere'"),
        ("enhanced", "is no system ("),
        ("my_losses:Sized", "needs arguments"),
        ("my_losses:number", "cannot be called"),
        ("my_losses:nothing", "shall return a wellposed.guard.Problem"),
        ("my_losses:stereo", "given (estimate, reference), each float32 (4, 9600)"),
    ],
)
def test_what_cannot_be_asked_gives_two_and_says_what_to_do(what: str, words: str, capsys):
    assert main(["audit", what]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_factory_of_a_problem_is_asked_and_a_sick_problem_gives_one(capsys):
    assert main(["audit", "my_problem:good"]) == 0
    said = capsys.readouterr().out
    assert "all 2 parameters receive a gradient" in said
    assert main(["audit", "my_problem:sick", "--quick"]) == 1
    assert "FAIL  WP114  2 of 4 parameters never had a gradient" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_an_unknown_invariance_gives_two_and_names_the_known_ones(capsys):
    assert main(["audit", "my_losses:l1", "--invariances", "time"]) == 2
    assert "known: gain, offset, polarity, shift, phase, band" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_real_speech_is_asked_with_where_a_corpus_is_given(shared_data, capsys):
    assert main(["audit", "my_losses:l1", "--data", str(shared_data)]) == 0
    assert f"speech from {shared_data.name}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_objective_of_enhance_passes_its_own_audit(capsys):
    state = torch.random.get_rng_state()
    assert main(["audit", "enhance"]) == 0
    said = capsys.readouterr().out
    assert "0 FAIL" in said
    assert "predicted level" in said
    assert torch.equal(state, torch.random.get_rng_state())
