"""Complete and cut containers, told apart by their byte counts."""

import numpy as np
import pytest
import soundfile

from wellposed.data.container import cut_short


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.full(1_000, 0.5), 16_000)
    return path


def test_a_whole_wav_has_nothing_missing(wav):
    assert cut_short(wav, "WAV") == ""


def test_a_cut_wav_says_both_byte_counts(wav):
    wav.write_bytes(wav.read_bytes()[:-100])
    assert cut_short(wav, "WAV") == "the header promises 2000 bytes of samples, 1900 are there"


def test_a_wav_written_to_a_pipe_has_no_length_to_hold_it_to(wav):
    content = wav.read_bytes()
    at = content.index(b"data") + 4
    wav.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    assert cut_short(wav, "WAV") == ""


def test_a_chunk_before_the_samples_is_passed_over(wav):
    content = wav.read_bytes()
    at = content.index(b"data")
    # An odd chunk is followed by a padding byte.
    odd = b"LIST" + (5).to_bytes(4, "little") + b"INFOx" + b"\0"
    wav.write_bytes(content[:at] + odd + content[at:-2])
    assert cut_short(wav, "WAV") == "the header promises 2000 bytes of samples, 1998 are there"


def test_a_cut_ogg_is_seen_at_any_place_inside_its_last_page(tmp_path):
    path = tmp_path / "x.ogg"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(20_000), 16_000)
    content = path.read_bytes()
    assert cut_short(path, "OGG") == ""
    last = content.rfind(b"OggS")
    for at in (last + 5, last + 27, len(content) - 1):
        path.write_bytes(content[:at])
        assert "Ogg page" in cut_short(path, "OGG")
