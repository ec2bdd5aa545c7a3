"""`wellposed codec` from the command line: files, folders, pipes, damage, mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from little_codec import sound, weights_file

from wellposed.cli import main
from wellposed.engine.storage.modelfile import load_model
from wellposed.errors import DataError
from wellposed.systems.codec.coder import Coder
from wellposed.systems.codec.recordings import recordings
from wellposed.systems.codec.release import amplitude_ratio


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_file(tmp_path_factory.mktemp("weights") / "little.safetensors")


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    soundfile.write(path, sound(70_000, 2).T, 22050, subtype="PCM_16")
    return path


def encode(source: Path, weights: Path, *more: str) -> int:
    return main(["codec", "encode", str(source), "--model", str(weights), *more])


def test_a_file_goes_there_and_back_with_rate_channels_and_length(
    talk: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode(talk, weights) == 0
    coded = talk.with_suffix(".wpc")
    assert f"{coded.stat().st_size} bytes" in capsys.readouterr().err
    assert main(["codec", "decode", str(coded), "--model", str(weights)]) == 0
    again = soundfile.info(talk.with_name("talk-decoded.wav"))
    assert (again.frames, again.channels, again.samplerate) == (70_000, 2, 22050)
    assert main(["codec", "info", str(coded)]) == 0
    told = capsys.readouterr().out
    assert "2 channels, 22050 Hz (network 16000 Hz)" in told
    assert "3.175 s, 70000 samples" in told
    assert "4.00 stages a frame" in told


def test_a_rate_is_kept_and_lowered_without_the_weights(talk: Path, weights: Path) -> None:
    assert encode(talk, weights, "--kbps", "2.4") == 0
    coded = talk.with_suffix(".wpc")
    seconds = 70_000 / 22050
    assert coded.stat().st_size == pytest.approx(2.4 * 125 * seconds, rel=0.02, abs=64)
    assert main(["codec", "truncate", str(coded), "--stages", "1"]) == 0
    cut = talk.with_name("talk-cut.wpc")
    assert cut.stat().st_size < 0.7 * coded.stat().st_size
    assert main(["codec", "decode", str(cut), "--model", str(weights)]) == 0


def test_folders_keep_their_tree(tmp_path: Path, weights: Path) -> None:
    for name in ("a/one.wav", "a/b/two.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, sound(9000).T, 16000)
    assert encode(tmp_path / "a", weights, "-o", str(tmp_path / "coded")) == 0
    assert (tmp_path / "coded" / "b" / "two.wpc").is_file()
    arguments = ["codec", "decode", str(tmp_path / "coded"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--model", str(weights)]) == 0
    assert soundfile.info(tmp_path / "out" / "one.wav").frames == 9000


def test_damage_is_told_and_the_status_says_so(
    talk: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encode(talk, weights)
    coded = talk.with_suffix(".wpc")
    content = bytearray(coded.read_bytes())
    content[len(content) // 2] ^= 0xFF
    coded.write_bytes(bytes(content))
    assert main(["codec", "decode", str(coded), "--model", str(weights)]) == 1
    assert "DAMAGED: 7 chunks read, 1 lost and concealed" in capsys.readouterr().err
    assert soundfile.info(talk.with_name("talk-decoded.wav")).frames == 70_000
    assert main(["codec", "info", str(coded)]) == 1


def test_other_weights_and_no_wpc_are_errors_that_name_the_file(
    talk: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encode(talk, weights)
    other = weights_file(talk.with_name("other.safetensors"), seed=1)
    coded = talk.with_suffix(".wpc")
    assert main(["codec", "decode", str(coded), "--model", str(other)]) == 1
    assert f"{coded}: made with the weights" in capsys.readouterr().err
    assert main(["codec", "info", str(talk)]) == 1
    assert "no .wpc file" in capsys.readouterr().err
    assert encode(talk, weights) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["codec", "cook"]) == 2


def test_the_beginning_can_be_left_out(talk: Path, weights: Path) -> None:
    encode(talk, weights)
    coded, whole, part = talk.with_suffix(".wpc"), talk.with_name("w.wav"), talk.with_name("p.wav")
    decode = ["codec", "decode", str(coded), "--model", str(weights), "-o"]
    assert main([*decode, str(whole)]) == 0
    assert main([*decode, str(part), "--start", "2.5"]) == 0
    expected, _ = soundfile.read(whole, dtype="int16")
    found, _ = soundfile.read(part, dtype="int16")
    np.testing.assert_array_equal(found, expected[round(2.5 * 22050) :])


@pytest.mark.slow
def test_pipes_carry_the_bytes_of_the_file(talk: Path, weights: Path) -> None:
    encode(talk, weights)
    coded = talk.with_suffix(".wpc")
    command = [sys.executable, "-m", "wellposed", "codec"]
    model = ["--model", str(weights)]
    piped = subprocess.run(
        [*command, "encode", "-", *model],
        input=talk.read_bytes(), capture_output=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    assert piped.stdout == coded.read_bytes()
    back = subprocess.run(
        [*command, "decode", "-", *model],
        input=piped.stdout, capture_output=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    main(["codec", "decode", str(coded), *model, "-o", str(talk.with_name("w.wav"))])
    expected, _ = soundfile.read(talk.with_name("w.wav"), dtype="int16")
    talk.with_name("piped.wav").write_bytes(back.stdout)
    found, _ = soundfile.read(talk.with_name("piped.wav"), dtype="int16")
    np.testing.assert_array_equal(found, expected)


def test_released_weights_keep_the_level_name_no_path_and_take_half_the_bytes(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mono").mkdir()
    soundfile.write(tmp_path / "mono" / "a.wav", sound(40_000)[0], 16000)
    target = tmp_path / "given.safetensors"
    told = [str(weights), "-o", str(target), "--data", str(tmp_path / "mono")]
    assert main(["codec", "release", *told, "--licence", "CC-BY-4.0"]) == 0
    assert "the decoder" in capsys.readouterr().out
    assert target.stat().st_size < 0.7 * weights.stat().st_size
    given = recordings(target, tmp_path / "mono", 1)
    assert amplitude_ratio(Coder.load(target), given) == pytest.approx(1.0, abs=0.01)
    _, card = load_model(target)
    assert card["licence"] == "CC-BY-4.0"
    assert card["recipe"]["data"]["path"] is None
    assert main(["codec", "release", *told]) != 0  # exists already


def test_silence_alone_gives_no_level(weights: Path) -> None:
    silent = [("silence", np.zeros((1, 16000), np.float32), 16000)]
    with pytest.raises(DataError, match="no recording with sound"):
        amplitude_ratio(Coder.load(weights), silent)
