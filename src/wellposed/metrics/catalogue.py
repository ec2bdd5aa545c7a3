"""The metrics by name: title, unit and which direction is better, for tables and reports.

Promise: every name that a score table can hold is here once, and nowhere else is it decided
whether more of it is better.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Literal

from wellposed.errors import RecipeError, RunError


@dataclass(frozen=True)
class Metric:
    """One number that a signal can be given."""

    name: str
    """Key in tables, history and CSV files; ends in the unit where that is dB."""
    title: str
    unit: str
    better: Literal["higher", "lower", "none"]
    """"none": neither end is good; the note says what is."""
    note: str
    package: str = ""
    """Package that computes it, when it is an optional one."""
    needs_noisy: bool = False
    """Compares with the unprocessed input, hence has no value for that input itself."""
    of_file: bool = False
    """Belongs to a coded file, hence cannot be computed from two signals."""
    of_scene: bool = False
    """Needs to know who speaks where in a scene, hence cannot be computed from two signals."""


_ALL = (
    Metric(
        "pesq_wb", "PESQ wide band", "MOS-LQO", "higher",
        "ITU-T P.862.2, 1.04 to 4.64, at 16 kHz; blind to level", package="pesq",
    ),
    Metric(
        "pesq_nb", "PESQ narrow band", "MOS-LQO", "higher",
        "ITU-T P.862.1, 1.02 to 4.55; another scale than the wide-band score", package="pesq",
    ),
    Metric("stoi", "STOI", "", "higher", "intelligibility, at most 1; blind to level"),
    Metric("estoi", "ESTOI", "", "higher", "STOI for fluctuating maskers, at most 1"),
    Metric("si_sdr_db", "SI-SDR", "dB", "higher", "shape only: blind to level and polarity"),
    Metric(
        "si_sdr_improvement_db", "SI-SDR improvement", "dB", "higher",
        "SI-SDR of the estimate minus that of the noisy input", needs_noisy=True,
    ),
    Metric("snr_db", "SNR", "dB", "higher", "every difference is noise, that of level too"),
    Metric(
        "level_error_db", "level error of the speech", "dB", "none",
        "0 is right; below 0 the speech in the estimate is too quiet",
    ),
    Metric(
        "amplitude_error_db", "error of the amplitude", "dB", "none",
        "0 is right; ratio of the RMS of everything, 0.42 dB are 5 %",
    ),
    Metric(
        "delay_samples", "delay", "samples", "none",
        "0 is right; by cross-correlation, to a tenth of a sample, at most 2000",
    ),
    Metric("aligned_snr_db", "SNR, aligned", "dB", "higher", "after the delay is taken away"),
    Metric(
        "aligned_si_sdr_db", "SI-SDR, aligned", "dB", "higher", "after the delay is taken away"
    ),
    Metric(
        "mel_distance_db", "mel distance", "dB", "lower",
        "mean error of the magnitude of a mel band, seven resolutions",
    ),
    Metric(
        "rd_gap_db", "gap to the rate-distortion reference", "dB", "lower",
        "of A at constant rate minus the aligned SNR, at the rate of the codes", of_file=True,
    ),
    Metric(
        "actual_kbps", "bitrate of the file", "kbit/s", "lower",
        "all bytes of the file counted", of_file=True,
    ),
    Metric(
        "effective_kbps", "bitrate of the codes", "kbit/s", "lower",
        "entropy of the codes over all files; one file has too few codes to tell", of_file=True,
    ),
    Metric(
        "over_suppression", "over-suppressed frames", "", "lower",
        "share of the frames with target whose power is less than a tenth of it", of_scene=True,
    ),
    Metric(
        "absent_attenuation_db", "attenuation without the target", "dB", "higher",
        "of the mixture, where the target is silent; 100 dB for silence", of_scene=True,
    ),
    Metric(
        "not_improved", "scenes improved by less than 1 dB", "", "lower",
        "share of the scenes with target, by SI-SDR", of_scene=True,
    ),
    Metric(
        "confusion", "confused with somebody else", "", "lower",
        "share of the scenes whose estimate is nearer to an interferer, by SI-SDR", of_scene=True,
    ),
    Metric(
        "false_alarm", "false alarms", "", "lower",
        "share of the scenes without target that are called present", of_scene=True,
    ),
    Metric(
        "miss", "misses", "", "lower",
        "share of the scenes with target that are called absent", of_scene=True,
    ),
    Metric(
        "equal_error_rate", "equal error rate of presence", "", "lower",
        "at the threshold where false alarms and misses are as frequent", of_scene=True,
    ),
    Metric(
        "presence_logit", "logit of presence", "", "none",
        "high with the target, low without", of_scene=True,
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}


def metric(name: str) -> Metric:
    """Look one up; RecipeError with the nearest known name when there is none."""
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name, METRICS, n=1, cutoff=0.5)
    hint = f", did you mean '{near[0]}'?" if near else "."
    raise RecipeError(f"metrics: unknown metric '{name}'{hint} Known: {', '.join(METRICS)}")


def speech_names(rate: int) -> tuple[str, ...]:
    """Default choice for speech at `rate` Hz; at 8 kHz there is no wide band to score."""
    pesq = "pesq_nb" if rate == 8000 else "pesq_wb"
    return (pesq, "stoi", "estoi", "si_sdr_db", "snr_db", "level_error_db")


def computable(names: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Names of a default choice whose packages are here, and a sentence on those left out, or "".

    Whoever names a metric gets `require_packages` instead.
    """
    kept = tuple(name for name in names if _is_here(metric(name).package))
    left = [name for name in names if name not in kept]
    packages = sorted({metric(name).package for name in left})
    said = (
        f"without {', '.join(left)}: no package {', '.join(packages)} here "
        '(`pip install "wellposed[metrics]"`)'
    )
    return kept, said if left else ""


def _is_here(package: str) -> bool:
    return not package or find_spec(package) is not None


def require_packages(names: Iterable[str]) -> None:
    """Raise RunError if a package that one of the named metrics needs is not installed."""
    for name in names:
        package = metric(name).package
        if not _is_here(package):
            raise RunError(
                f"{name}: the package '{package}' is not installed. Run "
                f'`pip install "wellposed[metrics]"`, or leave {name} out of the metrics.'
            )
