"""The same recording is found at any level, rate, codec and trimming; strangers are not."""

import numpy as np
import pytest

from wellposed.data import audio
from wellposed.data.fingerprint import HOP, RATE, Fingerprint, Listener, find_matches, fingerprint


def heard(waveform, rate):
    listener = Listener(rate)
    listener.add(waveform.mean(axis=0))
    return listener.finish()


def coded(waveform, rate, path, **options):
    audio.write(path, waveform, rate, **options)
    return audio.read(path)


def test_a_bit_is_the_sign_of_the_change_of_the_difference_of_two_bands():
    # A tone in the middle of band 8 that swells: E(8) - E(9) grows, E(7) - E(8) falls. The bits
    # are packed from the highest of each byte on, so band pair 8 is the top bit of byte 1.
    edges = np.geomspace(300, 2_000, 34)
    time = np.arange(2 * RATE) / RATE
    swell = np.exp(time) * np.sin(2 * np.pi * np.sqrt(edges[8] * edges[9]) * time)
    bits = np.unpackbits(fingerprint(swell.astype(np.float32)).words.view(np.uint8)).reshape(-1, 32)
    assert bits[:, 8].all()
    assert not bits[:, 7].any()


def test_words_do_not_depend_on_the_level(voice):
    signal = audio.resample(voice(0, 3.0)[0], 16_000, RATE)
    # A power of two is exact in floating point.
    np.testing.assert_array_equal(
        fingerprint(signal).words, fingerprint(signal * np.float32(1 / 64)).words
    )


def test_there_is_a_word_every_hop_and_none_for_a_blip():
    assert len(fingerprint(np.ones(2_048 + 10 * HOP, np.float32)).words) == 10
    assert len(fingerprint(np.ones(2_048, np.float32)).words) == 0


def test_silence_is_never_loud():
    assert not fingerprint(np.zeros(3 * RATE, np.float32)).loud.any()


@pytest.mark.parametrize(
    "change",
    [
        lambda x, path: coded(0.05 * x, 16_000, path / "x.wav"),
        lambda x, path: coded(audio.resample(x, 16_000, 24_000), 24_000, path / "x.flac"),
        lambda x, path: (x[:, 16_059:], 16_000),
        lambda x, path: coded(x, 16_000, path / "x.ogg"),
        lambda x, path: coded(x, 16_000, path / "x.mp3"),
        lambda x, path: coded(
            audio.resample(0.1 * x[:, 16_101:], 16_000, 44_100), 44_100, path / "x.ogg"
        ),
    ],
    ids=["quieter", "24 kHz", "trimmed", "vorbis", "mp3", "all at once"],
)
def test_a_changed_copy_is_found_among_strangers(tmp_path, voice, change):
    original = voice(0, 6.0)
    copy, rate = change(original, tmp_path)
    strangers = [heard(voice(seed, 6.0), 16_000) for seed in range(1, 6)]
    [match] = find_matches([heard(original, 16_000), *strangers, heard(copy, rate)])
    assert (match.first, match.second) == (0, 6)
    assert match.error_rate < 0.2
    cut = (original.shape[1] - copy.shape[1] * 16_000 / rate) / 16_000
    assert match.shift_s == pytest.approx(cut, abs=2 * HOP / RATE)
    assert match.overlap_s == pytest.approx(6.0 - cut - 0.41, abs=0.2)


def test_a_piece_inside_two_different_recordings_is_found(voice):
    piece = voice(0, 5.0)
    long = np.concatenate([voice(1, 8.0), piece, voice(2, 3.0)], axis=1)
    other = np.concatenate([voice(3, 2.0), piece, voice(4, 9.0)], axis=1)
    [match] = find_matches([heard(long, 16_000), heard(other, 16_000)])
    assert match.shift_s == pytest.approx(6.0, abs=2 * HOP / RATE)


def test_many_copies_are_all_linked(voice):
    original = audio.resample(voice(0, 3.0)[0], 16_000, RATE)
    matches = find_matches([fingerprint(original * np.float32(0.97**n)) for n in range(60)])
    linked = {0}
    for match in sorted(matches, key=lambda match: match.first):
        if match.first in linked:
            linked.add(match.second)
    assert linked == set(range(60))


def test_nothing_and_too_short_files_match_nothing(voice):
    assert find_matches([]) == []
    short = heard(voice(0, 1.5), 16_000)
    empty = Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
    assert find_matches([short, short, empty]) == []


def test_blocks_of_any_length_give_the_same_words(voice):
    signal = voice(0, 4.0, 44_100)[0]
    listener = Listener(44_100)
    for at in range(0, len(signal), 9_999):
        listener.add(signal[at : at + 9_999])
    whole = heard(signal[None], 44_100)
    np.testing.assert_array_equal(listener.finish().words, whole.words)


def test_different_synthetic_voices_never_match(voice):
    assert find_matches([heard(voice(seed, 4.0), 16_000) for seed in range(20)]) == []
