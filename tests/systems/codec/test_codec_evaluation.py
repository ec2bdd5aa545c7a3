"""Evaluation of a codec: rates of real files, losses, Opus where it is, a section in the report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from little_codec import coder, sound, weights_file

from wellposed.cli import main
from wellposed.errors import DataError
from wellposed.report.rates import rates_section
from wellposed.systems.codec import opus
from wellposed.systems.codec.evaluation import evaluate
from wellposed.systems.codec.lossy import decoded_with_losses

NAMES = ("aligned_snr_db", "delay_samples", "level_error_db")


def recordings(count: int, samples: int = 24_000):
    for number in range(count):
        yield f"r{number}.flac", sound(samples, seed=number), 16000


def test_every_point_has_its_true_rate_and_the_references_rise() -> None:
    found = evaluate(
        coder(), recordings(2), stages=(1, 2, 4), losses=(), with_opus=False, names=NAMES
    )
    assert [point.stages for point in found.points] == [1, 2, 4]
    assert [point.nominal_kbps for point in found.points] == pytest.approx([0.3, 0.6, 1.2])
    for point in found.points:
        for row in point.rows:
            # Header, end record and two chunk headers are no codes.
            extra = (45 + 20 + 28) * 8 / 1000 / 1.5
            actual = row["actual_kbps"].value
            assert actual is not None
            assert point.nominal_kbps < actual <= point.nominal_kbps + extra + 0.02
        assert point.effective_kbps is not None
        assert 0 <= point.effective_kbps <= point.nominal_kbps
    assert found.points[-1].effective_kbps
    assert sorted(found.references["A constant"]) == found.references["A constant"]
    assert any("too few" in note for note in found.notes)
    assert "2 recordings" in found.text()


def test_no_loss_is_the_decoded_file_and_losses_are_repeatable() -> None:
    import io

    with_coder = coder()
    wave = sound(40_000)
    sink = io.BytesIO()
    with_coder.encode([wave], 16000, 1, 40_000, sink)
    content = sink.getvalue()
    whole = np.concatenate(list(with_coder.decode(with_coder.open(io.BytesIO(content), "x"))), 1)
    np.testing.assert_allclose(
        decoded_with_losses(with_coder, content, 0.0, seed=1), whole, atol=1e-7
    )
    one = decoded_with_losses(with_coder, content, 0.2, seed=1)
    np.testing.assert_array_equal(one, decoded_with_losses(with_coder, content, 0.2, seed=1))
    assert (one != decoded_with_losses(with_coder, content, 0.2, seed=2)).any()
    for way in ("silence", "bridge"):
        other = decoded_with_losses(with_coder, content, 0.2, seed=1, way=way)
        assert other.shape == whole.shape
        assert (other != one).any()


def test_without_opus_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = evaluate(coder(), recordings(1), stages=(1,), losses=(), names=NAMES)
    assert "no Opus beside: opusenc, opusdec not installed (opus-tools)." in found.notes
    assert all(point.kind == "codec" for point in found.points)


@pytest.mark.skipif(bool(opus.missing()), reason="opusenc or opusdec is not installed")
def test_opus_keeps_its_rate_and_its_length_and_is_not_late() -> None:
    from wellposed.metrics.alignment import delay_samples

    time = np.arange(48_000) / 16000
    wave = (0.2 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)[None]
    found = opus.through_opus(wave, 16000, 16.0)
    assert found.wave.shape == wave.shape
    assert found.kbps == pytest.approx(16.0, rel=0.03)
    delay = delay_samples(found.wave[0], wave[0]).value
    assert delay is not None
    assert abs(delay) <= 2


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="2 channels"):
        evaluate(coder(), [("a", sound(9000, 2), 16000)], names=NAMES, with_opus=False)
    with pytest.raises(DataError, match="no recording"):
        evaluate(coder(), [], names=NAMES, with_opus=False)


def test_the_command_writes_tables_sounds_and_a_section_for_the_report(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    (run / "best").mkdir(parents=True)
    data.mkdir()
    weights_file(run / "best" / "model.safetensors")
    for number in range(2):
        soundfile.write(data / f"{number}.flac", sound(20_000, seed=number)[0], 16000)
    arguments = ["evaluate", str(run), "--data", str(data), "--stages", "1", "4", "--no-opus"]
    assert main([*arguments, "--losses", "0.1", "--metrics", *NAMES]) == 0
    content = json.loads((run / "evaluation" / "rates.json").read_text())
    assert [point["kind"] for point in content["points"]] == ["codec", "codec", "loss"]
    assert len(list((run / "evaluation" / "examples").glob("*/*.flac"))) == 2 * 3
    section = rates_section(run, 2_000_000)
    assert section.count("<audio") == 6
    assert "reference A" in section
    assert "10 % of frames lost" in section
    assert section.startswith('<section id="rates"')
    assert len(rates_section(run, 100_000)) < 110_000
    assert rates_section(tmp_path, 1000) == ""


def test_tables_are_trained_beside_the_weights_and_used(tmp_path: Path) -> None:
    pytest.importorskip("constriction")
    weights = weights_file(tmp_path / "little.safetensors")
    data = tmp_path / "data"
    data.mkdir()
    for number in range(6):
        soundfile.write(data / f"{number}.wav", sound(16_000, seed=number)[0], 16000)
    assert main(["codec", "tables", str(weights), "--data", str(data)]) == 0
    assert (tmp_path / "little.tables.safetensors").is_file()
    source = str(data / "0.wav")
    arguments = ["codec", "encode", source, "--model", str(weights), "--entropy"]
    assert main(arguments) == 0
    coded = str(data / "0.wpc")
    assert main(["codec", "decode", coded, "--model", str(weights)]) == 0
    assert main(["codec", "truncate", coded, "--stages", "2", "--model", str(weights)]) == 0
