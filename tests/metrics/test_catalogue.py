"""The list of metrics: names, units, packages."""

import pytest

from wellposed.errors import RecipeError, RunError
from wellposed.metrics import catalogue
from wellposed.metrics.catalogue import (
    METRICS,
    computable,
    metric,
    require_packages,
    speech_names,
)


def test_an_unknown_name_is_an_error_with_the_nearest_known_one():
    with pytest.raises(RecipeError, match="unknown metric 'pesq_w', did you mean 'pesq_wb'"):
        metric("pesq_w")


def test_every_name_in_db_says_so_in_its_unit_and_the_other_way_round():
    for name, entry in METRICS.items():
        assert entry.name == name
        assert name.endswith("_db") == (entry.unit == "dB")


def test_at_8_khz_the_default_is_the_narrow_band_score():
    assert speech_names(8000)[0] == "pesq_nb"
    assert speech_names(16000)[0] == "pesq_wb"
    assert set(speech_names(8000)) | set(speech_names(48000)) <= METRICS.keys()


def test_a_missing_package_is_an_error_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    with pytest.raises(RunError, match=r'pip install "wellposed\[metrics\]"'):
        require_packages(["stoi", "pesq_wb"])
    require_packages(["stoi", "si_sdr_db"])


def test_a_default_choice_leaves_out_what_is_not_installed_and_says_so(monkeypatch):
    monkeypatch.setattr(catalogue, "find_spec", lambda package: None)
    kept, said = computable(("pesq_wb", "stoi", "si_sdr_db"))
    assert "pesq_wb" not in kept
    assert "si_sdr_db" in kept
    assert "pesq_wb" in said
    assert "pip install" in said
    monkeypatch.setattr(catalogue, "find_spec", lambda package: package)
    assert computable(("pesq_wb", "stoi")) == (("pesq_wb", "stoi"), "")
