"""Excerpts from a corpus and from synthesis: drawn by the generator alone, from the right split."""

from pathlib import Path

import numpy as np
import pytest

from wellposed.data import audio, synthetic, synthetic_noise
from wellposed.data.corpus import Corpus, open_corpus
from wellposed.data.sounds import CorpusSounds, Sounds, SyntheticSounds, placed
from wellposed.errors import DataError

RATE = 16000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def level_of(group: int) -> float:
    """Every file holds one magnitude, so that an excerpt tells where it came from."""
    return 0.05 * (group + 1)


def buzz(level: float, samples: int) -> np.ndarray:
    """Samples of one magnitude and alternating sign: zero mean, no silent sample."""
    return (level * (-1.0) ** np.arange(samples)).astype(np.float32)[None]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Speakers 0 to 5, two per split, a file each; noises n0 to n2, one per split."""
    rows = ["path,kind,speaker,noise_source,split"]
    for number in range(6):
        split = ("train", "valid", "test")[number // 2]
        audio.write(tmp_path / f"s{number}.wav", buzz(level_of(number), 4000), RATE)
        rows.append(f"s{number}.wav,speech,s{number},,{split}")
    for number, split in enumerate(("train", "valid", "test")):
        audio.write(tmp_path / f"n{number}.wav", buzz(0.01, 2000), RATE)
        rows.append(f"n{number}.wav,noise,,n{number},{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    return open_corpus(tmp_path)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_speaker_and_noise_of_a_split_is_drawn_and_no_other(corpus: Corpus, split: str):
    sounds, first = CorpusSounds(corpus, RATE), ("train", "valid", "test").index(split)
    draws = rng()
    speech = [sounds.speech(split, 1000, draws) for _ in range(40)]
    assert {excerpt.group for excerpt in speech} == {f"s{2 * first}", f"s{2 * first + 1}"}
    for excerpt in speech:
        np.testing.assert_allclose(abs(excerpt.wave), level_of(int(excerpt.group[1])), atol=1e-4)
    noise = [sounds.noise(split, 1000, draws) for _ in range(5)]
    assert {excerpt.group for excerpt in noise} == {f"n{first}"}


def test_an_excerpt_does_not_depend_on_what_was_drawn_before(corpus: Corpus):
    fresh, used = CorpusSounds(corpus, RATE), CorpusSounds(corpus, RATE)
    for seed in range(20):
        used.speech("train", 500, rng(seed))
        used.noise("valid", 500, rng(seed))
    first, second = (sounds.speech("train", 3000, rng(7)) for sounds in (fresh, used))
    assert (first.group, first.source) == (second.group, second.source)
    assert (first.wave == second.wave).all()


def test_a_cache_too_small_for_the_corpus_changes_no_excerpt(corpus: Corpus):
    small, large = CorpusSounds(corpus, RATE, cache_mib=0), CorpusSounds(corpus, RATE)
    for seed in range(20):
        assert (
            small.speech("train", 3000, rng(seed)).wave
            == large.speech("train", 3000, rng(seed)).wave
        ).all()


def test_speech_shorter_than_asked_is_surrounded_by_silence(corpus: Corpus):
    excerpt = CorpusSounds(corpus, RATE).speech("train", 9000, rng())
    assert excerpt.wave.shape == (9000,)
    assert np.count_nonzero(excerpt.wave) == 4000


def test_noise_shorter_than_asked_is_repeated_without_a_jump(corpus: Corpus):
    # A straight ramp: inside it rises by 1e-4 a sample. Its ends join by a cross-fade of a
    # quarter of its length, the shorter of that and 800 samples.
    wave = np.linspace(-0.1, 0.1, 2000, dtype=np.float32)
    audio.write(corpus.root / "n0.wav", wave[None], RATE)
    excerpt = CorpusSounds(corpus, RATE).noise("train", 20000, rng())
    assert excerpt.wave.shape == (20000,)
    # Equal-power weights peak at sqrt(2): the fade moves 0.2 over 500 samples, with the slope of a
    # square root of 1 / 500 at its very ends, sqrt(1 / 500) * 0.1 = 0.0045 for one sample.
    assert np.abs(np.diff(excerpt.wave)).max() < 0.006
    assert np.abs(excerpt.wave).max() < 0.1 * 2**0.5


def test_a_corpus_without_noise_gets_synthetic_noise(tmp_path: Path):
    for number in range(40):
        audio.write(tmp_path / f"s{number}" / "a.wav", buzz(0.1, 900), RATE)
    excerpt = CorpusSounds(open_corpus(tmp_path), RATE).noise("train", 3000, rng(1))
    assert (excerpt.wave == synthetic_noise.noise(3000, RATE, rng(1))).all()


def test_a_split_without_speech_says_so_and_what_to_do(tmp_path: Path):
    audio.write(tmp_path / "a.wav", buzz(0.1, 900), RATE)
    (tmp_path / "manifest.csv").write_text("path,kind,speaker,split\na.wav,speech,anna,train\n")
    sounds = CorpusSounds(open_corpus(tmp_path), RATE)
    with pytest.raises(DataError, match=r"no speech in split valid.*Give every split"):
        sounds.speech("valid", 100, rng())


def test_files_at_another_rate_are_resampled_and_channels_averaged(tmp_path: Path):
    wave = np.sin(2 * np.pi * 100 * np.arange(8000) / 8000)
    audio.write(tmp_path / "a.wav", np.stack([0.3 * wave, 0.1 * wave]).astype(np.float32), 8000)
    (tmp_path / "manifest.csv").write_text("path,kind,speaker,split\na.wav,speech,anna,train\n")
    made = CorpusSounds(open_corpus(tmp_path), RATE).speech("train", 16000, rng()).wave
    wanted = 0.2 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)
    np.testing.assert_allclose(made[1000:-1000], wanted[1000:-1000], atol=1e-3)


def test_a_constant_offset_is_removed_because_it_is_no_sound_but_counts_as_power(tmp_path: Path):
    wave = np.sin(2 * np.pi * 100 * np.arange(8000) / 16000)
    audio.write(tmp_path / "a.wav", (0.1 * wave + 0.4).astype(np.float32)[None], RATE)
    (tmp_path / "manifest.csv").write_text("path,kind,speaker,split\na.wav,speech,anna,train\n")
    made = CorpusSounds(open_corpus(tmp_path), RATE).speech("train", 8000, rng()).wave
    np.testing.assert_allclose(made, 0.1 * wave, atol=1e-4)


def test_speech_without_quiet_pauses_is_left_out(corpus: Corpus):
    # s0 stays as loud as it is (0 dB); s1 gets a pause 40 dB down.
    wave = buzz(0.1, 4000)
    wave[:, 2000:] *= 0.01
    audio.write(corpus.root / "s1.wav", wave, RATE)
    sounds, draws = CorpusSounds(corpus, RATE, minimum_range_db=25), rng()
    assert {sounds.speech("train", 500, draws).group for _ in range(30)} == {"s1"}
    with pytest.raises(DataError, match=r"minimum_range_db"):
        sounds.speech("valid", 500, draws)


def test_the_cache_cannot_be_written_through_an_excerpt(corpus: Corpus):
    wave = CorpusSounds(corpus, RATE).speech("train", 100, rng()).wave
    with pytest.raises(ValueError, match="read-only"):
        wave[0] = 1


@pytest.mark.parametrize("samples", [1, 99, 100, 101, 250])
def test_placed_keeps_the_order_of_samples_and_reaches_every_place(samples: int):
    wave = np.arange(1, 101, dtype=np.float32)
    starts = set()
    for seed in range(1200):
        piece = placed(wave, samples, rng(seed))
        assert piece.shape == (samples,)
        kept = piece[piece > 0]
        assert len(kept) == min(samples, 100)
        assert (np.diff(kept) == 1).all()
        starts.add(int(kept[0]) - 1 if samples <= 100 else int(np.argmax(piece > 0)))
    assert starts == set(range(abs(100 - samples) + 1))


def test_synthetic_speech_comes_from_the_speakers_of_the_split():
    sounds = SyntheticSounds(8000)
    for split, speakers in synthetic.SPEAKERS.items():
        draws = rng(1)
        groups = {sounds.speech(split, 400, draws).group for _ in range(5)}
        assert groups <= {f"s{number}" for number in speakers}


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_synthetic_excerpts_do_not_depend_on_what_was_drawn_before(kind: str):
    fresh, used = SyntheticSounds(8000), SyntheticSounds(8000)
    used.speech("train", 500, rng(3))
    first, second = (getattr(sounds, kind)("train", 4000, rng(7)) for sounds in (fresh, used))
    assert (first.wave == second.wave).all()
    assert first.group == second.group


def test_both_sources_speak_the_protocol(corpus: Corpus):
    both: tuple[Sounds, ...] = (SyntheticSounds(RATE), CorpusSounds(corpus, RATE))
    for sounds in both:
        assert sounds.rate == RATE
        assert sounds.digest
        assert sounds.room("train", rng())[0] == 1
    assert both[0].digest != both[1].digest
