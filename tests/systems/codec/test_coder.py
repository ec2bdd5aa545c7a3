"""Sound to file and back: length, level, streaming, seeking, damage, other weights."""

import io

import numpy as np
import pytest
import torch
from little_codec import coder, sound

from wellposed.errors import DataError
from wellposed.systems.codec.bitstream import fuzz
from wellposed.systems.codec.bitstream.reader import Report
from wellposed.systems.codec.bitstream.tables import train_tables
from wellposed.systems.codec.coder import Coder, Settings
from wellposed.systems.codec.levels import Leveller, gains

CODER = coder()


def encoded(wave, rate=16000, settings=None, cut=None, with_coder=CODER, told=True) -> bytes:
    sink = io.BytesIO()
    step = cut or wave.shape[1]
    blocks = [wave[:, at : at + step] for at in range(0, wave.shape[1], step)]
    samples = wave.shape[1] if told else None
    with_coder.encode(blocks, rate, len(wave), samples, sink, settings)
    return sink.getvalue()


def decoded(content: bytes, start: int = 0, with_coder: Coder = CODER) -> tuple[np.ndarray, Report]:
    reader = with_coder.open(io.BytesIO(content), "file")
    blocks = list(with_coder.decode(reader, start))
    return np.concatenate(blocks, axis=1), reader.report


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_length_and_channels_come_back_at_any_rate(rate: int) -> None:
    for samples, channels in ((1, 1), (319, 2), (rate, 1), (rate + rate // 3 + 1, 2)):
        wave = sound(samples, channels)
        for told in (True, False):
            again, report = decoded(encoded(wave, rate, told=told))
            assert again.shape == wave.shape
            assert report.sound


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_bytes_do_not_depend_on_the_blocks(rate: int) -> None:
    wave = sound(2 * rate + 777, 2)
    whole = encoded(wave, rate)
    assert encoded(wave, rate, cut=1000) == whole
    assert encoded(wave, rate, cut=rate) == whole


def test_neither_codes_nor_samples_depend_on_threads() -> None:
    wave = sound(3000)
    content = encoded(wave)
    alone, _ = decoded(content)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert encoded(wave) == content
        np.testing.assert_array_equal(decoded(content)[0], alone)
    finally:
        torch.set_num_threads(threads)


def test_a_file_holds_the_codes_of_the_network_for_the_levelled_sound() -> None:
    wave = sound(40_000, level=10 ** (-25 / 20))
    reader = CODER.open(io.BytesIO(encoded(wave)), "file")
    pieces = list(reader.pieces())
    assert len({piece.level for piece in pieces}) == 1
    scale = gains(0, pieces[0].level, -25, 320, 1)[0]
    codes = CODER.network.encode(torch.from_numpy(wave * scale))[0].numpy()
    found = np.concatenate([piece.codes for piece in pieces if piece.codes is not None], 1)
    np.testing.assert_array_equal(found, codes)


def test_the_output_scales_with_the_input_from_whisper_to_full_scale() -> None:
    wave = sound(20_000, level=10 ** (-35 / 20))
    reference, _ = decoded(encoded(wave))
    for level_db in (-60, -40, -20, -10):
        factor = np.float32(10 ** ((level_db + 35) / 20))
        again, _ = decoded(encoded(wave * factor))
        # The level is told in steps of half a decibel, and taken out and put back exactly.
        ratio = np.sqrt(np.mean(again**2) / np.mean(reference**2)) / factor
        assert abs(20 * np.log10(ratio)) < 0.5


def test_digital_silence_of_a_second_comes_back_as_zeros() -> None:
    wave = sound(64_000)
    wave[:, 16_000:32_000] = 0
    again, report = decoded(encoded(wave))
    assert not again[:, 16_000:32_000].any()
    assert again[:, :16_000].any()
    assert again[:, 32_000:].any()
    assert report.sound
    assert not decoded(encoded(np.zeros((1, 30_000), np.float32)))[0].any()


def test_decoding_may_begin_anywhere_with_the_same_samples() -> None:
    wave = sound(16_000 * 7 + 123, 2)
    content = encoded(wave)
    whole, _ = decoded(content)
    for start in (1, 15_999, 16_000, 50_001, 100_000, 112_100):
        part, _ = decoded(content, start)
        np.testing.assert_array_equal(part, whole[:, start:])


def test_a_lost_chunk_is_concealed_and_the_rest_is_untouched_before_and_soon_after() -> None:
    wave = sound(16_000 * 5)
    content = encoded(wave)
    whole, _ = decoded(content)
    size = (len(content) - 43 - 20) // 5
    damaged = bytearray(content)
    damaged[43 + 2 * size + 30] ^= 1
    again, report = decoded(bytes(damaged))
    assert again.shape == whole.shape
    assert (report.lost, report.chunks) == (1, 4)
    np.testing.assert_array_equal(again[:, :32_000], whole[:, :32_000])
    assert again[:, 32_000:33_000].any()
    assert not again[:, 36_000:47_900].any()  # faded: the decoder remembers less than 0.1 s here
    # The gain remembers a second, after the 0.4 s of decoder and comb.
    np.testing.assert_array_equal(again[:, 71_000:], whole[:, 71_000:])


def test_random_damage_decodes_to_finite_sound_or_is_an_error() -> None:
    wave = sound(16_000 * 2)
    content = encoded(wave)
    mutations = (fuzz.flip_bits, fuzz.overwrite, fuzz.delete, fuzz.insert, fuzz.truncate)
    outcomes = set()
    for number in range(25):
        damaged, rng = bytearray(content), np.random.default_rng(number)
        mutations[number % len(mutations)](damaged, rng)
        if number % 2:
            fuzz.repair(damaged)
        try:
            again, _ = decoded(bytes(damaged))
        except DataError:
            outcomes.add("error")
            continue
        assert np.isfinite(again).all()
        assert again.shape == wave.shape
        outcomes.add("sound")
    assert outcomes == {"error", "sound"}


def test_a_file_that_is_cut_off_has_its_length_if_the_header_tells_it() -> None:
    content = encoded(sound(16_000 * 5))
    again, report = decoded(content[: len(content) // 2])
    assert again.shape == (1, 80_000)
    assert not report.complete
    unknown = encoded(sound(16_000 * 5), told=False)
    again, report = decoded(unknown[: len(unknown) // 2])
    assert again.shape == (1, 32_000)
    assert not report.sound


def test_other_weights_are_refused_by_their_identity() -> None:
    other = coder(seed=1)
    with pytest.raises(DataError, match=f"made with the weights {CODER.identity.hex()}"):
        other.open(io.BytesIO(encoded(sound(1000))), "file")


def test_stages_and_target_rates_are_kept() -> None:
    wave = sound(160_000)
    for stages in (1, 3):
        content = encoded(wave, settings=Settings(stages=stages))
        reader = CODER.open(io.BytesIO(content), "file")
        assert reader.header.books == (64,) * stages
        assert decoded(content)[0].shape == wave.shape
    content = encoded(wave, settings=Settings(kbps=0.9))
    assert len(content) == pytest.approx(0.9 * 125 * 10, rel=0.02, abs=64)
    assert decoded(content)[0].shape == wave.shape


def test_settings_that_the_weights_cannot_serve_are_refused() -> None:
    for settings, words in (
        (Settings(stages=5), "have 1 to 4"),
        (Settings(kbps=40.0), "can do"),
        (Settings(entropy=True), "no frequency tables"),
    ):
        with pytest.raises(DataError, match=words):
            encoded(sound(1000), settings=settings)


def test_entropy_coded_files_decode_to_the_same_samples() -> None:
    pytest.importorskip("constriction")
    wave = sound(50_000)
    codes = CODER.network.encode(torch.from_numpy(wave)).numpy()[0]
    tables = train_tables([codes], CODER.network.books)
    known = Coder(CODER.network, level_db=-25, span_db=10.0, tables=tables)
    coded = encoded(wave, settings=Settings(entropy=True), with_coder=known)
    plain = encoded(wave, with_coder=known)
    np.testing.assert_array_equal(
        decoded(coded, with_coder=known)[0], decoded(plain, with_coder=known)[0]
    )
    with pytest.raises(DataError, match="no frequency tables beside"):
        CODER.open(io.BytesIO(coded), "file")


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="NaN or infinite"):
        encoded(np.full((1, 1000), np.nan, np.float32))
    with pytest.raises(DataError, match="100 samples came, 99 were told"):
        CODER.encode([sound(100)], 16000, 1, 99, io.BytesIO())


def test_a_level_stays_within_the_span_and_follows_what_lasts() -> None:
    rng = np.random.default_rng(0)

    def second(level_db: float) -> np.ndarray:
        noise = rng.normal(size=16_000)
        noise = np.clip(noise, -3, 3) / np.std(np.clip(noise, -3, 3))
        return (10 ** (level_db / 20) * noise).astype(np.float32)

    leveller = Leveller(-25, 10.0)
    levels = [leveller.next(second(each)) for each in (-30, -25, -35, -55, -30, -55, -55, -20)]
    first, quiet, loud = levels[0], levels[6], levels[7]
    assert levels[:6] == [first] * 6
    assert (first, quiet, loud) == (61, 111, 41)
    assert leveller.next(np.zeros(16_000, np.float32)) == 0
    assert leveller.next(second(-20)) == loud


def test_gains_go_from_one_level_to_the_next_within_a_frame() -> None:
    made = gains(61, 41, -25, 320, 16_000)
    before, after = 10 ** (5 / 20), 10 ** (-5 / 20)
    assert made[0] == pytest.approx(before + (after - before) / 320)
    np.testing.assert_allclose(made[319:], after, rtol=1e-6)
    assert (np.diff(made[:320]) < 0).all()
    np.testing.assert_allclose(gains(0, 41, -25, 320, 100), after, rtol=1e-6)
