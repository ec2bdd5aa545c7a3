"""Scores of an estimate of speech against the clean reference, both (time,), in float64.

Promise: each function returns a Score and passes on no exception of the packages below it; what
cannot be judged is undefined with a reason. Definitions and conventions: docs/metrics.md.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import soxr

from wellposed.metrics.catalogue import require_packages
from wellposed.metrics.score import Score, Signal, flaw, undefined

EXACT_DB = 250.0
"""Ratios beyond +-250 dB are rounding. Measured: scaled copies in float64 give 285 to 320 dB
(10 to 1.6 million samples), copies rounded to float32 at most 160 dB."""
PESQ_LONGEST_S = 40.0
"""The ITU code has a table of 50 utterances and does not check its end: pesq 0.0.4 died of a
segmentation fault at 144 s of read speech. Measured: at most 22 utterances in 30 s of speech by
150 speakers, 30 in 40 s."""
PESQ_SHORTEST_S = 0.25
STOI_SHORTEST_S = (256 + 29 * 128) / 10_000
"""30 frames of 256 samples, hop 128, at 10 kHz. Taal et al. 2011, section II."""


def si_sdr_db(estimate: Signal, reference: Signal) -> Score:
    """Scale-invariant signal-to-distortion ratio [dB].

    `10 log10(|a s|^2 / |e - a s|^2)` with the least-squares gain `a = <e, s> / <s, s>`. The
    mean is not removed: an offset that the estimate adds is distortion. Undefined for silence,
    for a scaled copy (nothing to measure) and for an estimate orthogonal to the reference.

    Source: Le Roux et al., "SDR - half-baked or well done?", 2019, arXiv:1811.02508.
    """
    reason = flaw(estimate, reference)
    if reason:
        return undefined(reason)
    estimate, reference = _unit_peak(estimate), _unit_peak(reference)
    target = (estimate @ reference) / (reference @ reference) * reference
    return _ratio_db(target, estimate - target)


def si_sdr_improvement_db(estimate: Signal, reference: Signal, noisy: Signal) -> Score:
    """SI-SDR of the estimate minus SI-SDR of the noisy input [dB]; undefined if either is."""
    after, before = si_sdr_db(estimate, reference), si_sdr_db(noisy, reference)
    if after.value is None:
        return after
    if before.value is None:
        return undefined(f"noisy input: {before.reason}")
    return Score(after.value - before.value)


def snr_db(estimate: Signal, reference: Signal) -> Score:
    """Signal-to-noise ratio [dB], `10 log10(|s|^2 / |e - s|^2)`: errors of level count.

    Undefined for silence (a silent estimate would get 0 dB, more than a noisy scene) and for
    an exact copy.
    """
    reason = flaw(estimate, reference)
    if reason:
        return undefined(reason)
    peak = np.abs(reference).max().astype(np.float64)
    reference = reference / peak
    return _ratio_db(reference, estimate / peak - reference)


def level_error_db(estimate: Signal, reference: Signal) -> Score:
    """Gain of the reference inside the estimate [dB], `20 log10(<e, s> / <s, s>)`.

    0 is right, -6 is speech at half its amplitude; noise that is uncorrelated with the speech
    does not count. Undefined when the projection is not positive: then the polarity is
    inverted, or the estimate has nothing of the reference, and no level is right.
    """
    reason = flaw(estimate, reference)
    if reason:
        return undefined(reason)
    e, s = _unit_peak(estimate), _unit_peak(reference)
    gain = (e @ s) / (s @ s)
    if gain <= 0:
        return undefined("the projection of the estimate on the reference is not positive")
    peaks = np.abs(estimate).max().astype(np.float64) / np.abs(reference).max()
    return Score(float(20 * np.log10(gain) + 20 * np.log10(peaks)))


def amplitude_error_db(estimate: Signal, reference: Signal) -> Score:
    """Ratio of the RMS of the estimate to that of the reference [dB].

    0 is right, 0.42 is 5 %. What is added counts like what is kept: of a codec whose waveform is
    not that of the original this is the loudness, while `level_error_db` is how much of it is left.
    """
    reason = flaw(estimate, reference)
    if reason:
        return undefined(reason)
    powers = [float(np.mean(np.square(_unit_peak(each)))) for each in (estimate, reference)]
    peaks = np.abs(estimate).max().astype(np.float64) / np.abs(reference).max()
    return Score(float(10 * np.log10(powers[0] / powers[1]) + 20 * np.log10(peaks)))


def pesq_wb(estimate: Signal, reference: Signal, rate: int) -> Score:
    """PESQ wide band [MOS-LQO], ITU-T P.862.2, by the package pesq.

    Signals of other rates are resampled to 16 kHz by soxr HQ, except 8 kHz, which has no wide
    band: use `pesq_nb`. Undefined: silence, shorter than 0.25 s, longer than 40 s, no speech
    found. Raises RunError if pesq is not installed.
    """
    if rate == 8000:
        return undefined("8 kHz has no wide band; use pesq_nb")
    return _pesq(estimate, reference, rate, "wb")


def pesq_nb(estimate: Signal, reference: Signal, rate: int) -> Score:
    """PESQ narrow band [MOS-LQO], ITU-T P.862 with P.862.1, by the package pesq.

    At 8 and 16 kHz as it is, other rates resampled to 16 kHz. Undefined and raising as
    `pesq_wb`. Not comparable with the wide-band score.
    """
    return _pesq(estimate, reference, rate, "nb")


def stoi(estimate: Signal, reference: Signal, rate: int) -> Score:
    """Short-time objective intelligibility, by pystoi at 10 kHz (Taal et al. 2011).

    Undefined for silence and where fewer than 30 frames (0.4 s) of speech remain.
    """
    return _stoi(estimate, reference, rate, extended=False)


def estoi(estimate: Signal, reference: Signal, rate: int) -> Score:
    """Extended STOI (Jensen and Taal 2016), by pystoi at 10 kHz; undefined as `stoi`."""
    return _stoi(estimate, reference, rate, extended=True)


def _unit_peak(signal: Signal) -> Signal:
    """Peak 1 in float64: squares neither overflow nor vanish, whatever the level."""
    signal = signal.astype(np.float64)
    return signal / np.abs(signal).max()


def _ratio_db(signal: Signal, error: Signal) -> Score:
    power, noise = float(signal @ signal), float(error @ error)
    edge = 10 ** (EXACT_DB / 10)
    if noise * edge <= power:
        return undefined("the estimate is a copy of the reference")
    if power * edge <= noise:
        return undefined("nothing of the reference is in the estimate")
    return Score(10 * np.log10(power / noise))


def _pesq(estimate: Signal, reference: Signal, rate: int, mode: Literal["wb", "nb"]) -> Score:
    require_packages([f"pesq_{mode}"])
    # An optional package: importing it above would make every metric need it.
    from pesq import BufferTooShortError, NoUtterancesError, pesq

    reason = flaw(estimate, reference) or _pesq_length(len(reference) / rate)
    if reason:
        return undefined(reason)
    if rate not in (8000, 16000):
        estimate, reference = (_at_16_khz(signal, rate) for signal in (estimate, reference))
        rate = 16000
    try:
        value = float(pesq(rate, reference, estimate, mode))
    except NoUtterancesError:
        return undefined("pesq found no utterance in the reference")
    except BufferTooShortError:
        return undefined("shorter than 0.25 s, the least for pesq")
    except ValueError:
        # The C code returned NaN: the estimate is too faint for its float32 arithmetic.
        return undefined("pesq has no value for so faint an estimate")
    return Score(value) if np.isfinite(value) else undefined("pesq returned no finite value")


def _pesq_length(seconds: float) -> str:
    if seconds <= PESQ_SHORTEST_S:
        return "shorter than 0.25 s, the least for pesq"
    if seconds > PESQ_LONGEST_S:
        return "longer than 40 s, too many utterances for pesq"
    return ""


def _at_16_khz(signal: Signal, rate: int) -> Signal:
    return soxr.resample(signal.astype(np.float64), rate, 16000, quality="HQ")


def _stoi(estimate: Signal, reference: Signal, rate: int, *, extended: bool) -> Score:
    # Imports scipy.signal, half a second that no other metric needs.
    from pystoi import stoi as pystoi_stoi

    short = "fewer than 30 frames (0.4 s) of speech, the least for STOI"
    reason = flaw(estimate, reference)
    if not reason and len(reference) / rate < STOI_SHORTEST_S:
        reason = short
    if reason:
        return undefined(reason)
    estimate, reference = _unit_peak(estimate), _unit_peak(reference)
    try:
        with warnings.catch_warnings(), _same_dither():
            warnings.simplefilter("error", RuntimeWarning)
            value = float(pystoi_stoi(reference, estimate, rate, extended=extended))
    except RuntimeWarning as warning:
        enough = "Not enough STFT frames" not in str(warning)
        return undefined("pystoi cannot judge the signal" if enough else short)
    return Score(value) if np.isfinite(value) else undefined("pystoi returned no finite value")


@contextmanager
def _same_dither() -> Iterator[None]:
    """Pystoi adds 1e-16 of noise from NumPy's global generator, which decides the score of
    digitally silent bands: the same noise every time, and the caller's state as it was.
    """
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
