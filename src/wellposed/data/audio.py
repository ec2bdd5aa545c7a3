"""Audio files in and out, and the sampling rate.

Promises: an array is (channels, time), float32, full scale 1.0. What cannot be read whole and
finite is an error that names the file, never a shorter or padded array. A file appears under its
final name only when it is complete. Formats are those of libsndfile: WAV, FLAC, Ogg, MP3, AIFF...
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from wellposed.data.container import cut_short
from wellposed.errors import DataError

Waveform = NDArray[np.float32]

_WORDS = "wav flac ogg oga opus mp3 aif aiff aifc au caf w64 rf64"
SUFFIXES = frozenset(f".{word}" for word in _WORDS.split())
_PCM_WORDS = ("WAV", "FLAC", "AIFF", "AU", "CAF", "W64", "RF64")
_FORMATS = {
    ".ogg": ("OGG", "VORBIS"),
    ".oga": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aif": ("AIFF", "PCM_16"),
    ".aifc": ("AIFF", "PCM_16"),
    **{f".{word.lower()}": (word, "PCM_16") for word in _PCM_WORDS},
}
_PCM_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_UNKNOWN_FRAMES = 2**62  # libsndfile's 2**63 - 1: a FLAC stream whose header has no length
_BLOCK = 1 << 16


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a file says."""

    path: Path
    rate: int
    """Hz"""
    channels: int
    frames: int
    """samples per channel"""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def inspect(path: Path | str) -> AudioInfo:
    """Read the header, decode nothing.

    Raises DataError: missing, a folder, not audio, no samples, or cut short (a cut FLAC or MP3
    shows only when it is read).
    """
    path = Path(path)
    with _opened(path) as file:
        return _info(path, file)


def read(path: Path | str, *, start: int = 0, frames: int | None = None) -> tuple[Waveform, int]:
    """Read samples `start` to `start + frames` (all when None): (channels, time) and the rate.

    Raises DataError: as `inspect`; a range outside the file; a file that ends or breaks before
    its header says; NaN or infinite samples.
    """
    path = Path(path)
    with _opened(path) as file:
        info = _info(path, file)
        wanted = info.frames - start if frames is None else frames
        if start < 0 or wanted < 1 or start + wanted > info.frames:
            raise DataError(
                f"{path}: asked for samples {start} to {start + wanted}, the file has "
                f"{info.frames} ({info.seconds:.3f} s at {info.rate} Hz); ask inside the file, "
                "and if it has changed since its manifest was written, write that again"
            )
        if start:
            file.seek(start)
        samples = file.read(wanted, dtype="float32", always_2d=True)
    _require_whole(info, start + len(samples), start + wanted)
    waveform = np.ascontiguousarray(samples.T, dtype=np.float32)
    require_finite(path, waveform, start, info.rate)
    return waveform, info.rate


def blocks(
    path: Path | str, frames: int = _BLOCK, *, allow_nonfinite: bool = False
) -> Iterator[Waveform]:
    """Read a file of any length in memory for one block: (channels, up to `frames`) each.

    Raises DataError as `read`, when the broken block is reached.
    """
    path = Path(path)
    with _opened(path) as file:
        info = _info(path, file)
        done = 0
        while len(samples := file.read(frames, dtype="float32", always_2d=True)):
            waveform = np.ascontiguousarray(samples.T, dtype=np.float32)
            if not allow_nonfinite:
                require_finite(path, waveform, done, info.rate)
            done += len(samples)
            yield waveform
    _require_whole(info, done, info.frames)


def write(path: Path | str, waveform: Waveform, rate: int, *, subtype: str | None = None) -> int:
    """Write (channels, time) under `path`, all or nothing; the suffix decides the format.

    16-bit PCM for WAV and FLAC unless `subtype` says else ("PCM_24", "FLOAT", ...). Returns how
    many samples were beyond full scale and were limited to it (never wrapped around); 0 for
    floating-point files, which keep them. A file that was read as 16 bit is written back exactly.

    Raises DataError: unknown suffix or subtype, NaN or infinite samples, nothing to write,
    a folder that cannot be written, a full disk.
    """
    path = Path(path)
    assert waveform.ndim == 2, f"(channels, time) is wanted, this is {waveform.shape}"
    kind, subtype = storage(path, subtype)
    if waveform.size == 0:
        raise DataError(f"{path}: no samples to write (shape {waveform.shape})")
    require_finite(path, waveform, 0, rate)
    data, limited = quantised(waveform, subtype)
    with replacing(path, f"{kind} {subtype} allows {len(waveform)} channels at {rate} Hz") as part:
        soundfile.write(str(part), data, rate, subtype=subtype, format=kind)
    return limited


def storage(path: Path, subtype: str | None) -> tuple[str, str]:
    """libsndfile's format and subtype for a file name; the usual subtype when None.

    Raises DataError: a suffix or subtype that cannot be written.
    """
    if path.suffix.lower() not in _FORMATS:
        known = " ".join(_FORMATS)
        raise DataError(f"{path}: cannot write the suffix '{path.suffix}'; use one of {known}")
    kind, usual = _FORMATS[path.suffix.lower()]
    subtype = subtype or usual
    if not soundfile.check_format(kind, subtype):
        known = " ".join(soundfile.available_subtypes(kind))
        raise DataError(f"{path}: {kind} has no subtype '{subtype}'; use one of {known}")
    return kind, subtype


def resample(waveform: NDArray[np.floating], from_rate: int, to_rate: int) -> NDArray:
    """Change the rate of (..., time) by soxr HQ: round(time * to / from) samples come out.

    The same array comes back when the rates are equal. No delay: sample 0 stays at time 0.
    """
    if from_rate == to_rate:
        return waveform
    length = (2 * waveform.shape[-1] * to_rate + from_rate) // (2 * from_rate)
    rows = waveform.reshape(-1, waveform.shape[-1])
    changed = np.zeros((len(rows), length), waveform.dtype)
    for row, target in zip(rows, changed, strict=True):
        # soxr's own length may differ by one sample from the rounded one.
        output = soxr.resample(row, from_rate, to_rate, quality="HQ")[:length]
        target[: len(output)] = output
    return changed.reshape(*waveform.shape[:-1], length)


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path, or the manifest that names it")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; give an audio file in it")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); fetch or record it again")
    try:
        with soundfile.SoundFile(str(path)) as file:
            yield file
    except PermissionError as error:
        raise DataError(f"{path}: may not be read; change its permissions") from error
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path}: cannot be decoded ({error.error_string.strip(' .')}); either no audio file "
            f"(known: {' '.join(sorted(SUFFIXES))}) or damaged or cut off: fetch it again"
        ) from error


def _info(path: Path, file: soundfile.SoundFile) -> AudioInfo:
    frames = file.frames
    if frames >= _UNKNOWN_FRAMES:
        frames = sum(len(block) for block in file.blocks(_BLOCK, always_2d=True))
        file.seek(0)
    problem = cut_short(path, file.format)
    if problem:
        raise DataError(f"{path}: truncated: {problem}; fetch or copy it again")
    if frames <= 0:
        raise DataError(f"{path}: the header is fine but there are no samples; remove the file")
    return AudioInfo(path, file.samplerate, file.channels, frames)


def _require_whole(info: AudioInfo, done: int, wanted: int) -> None:
    if done < wanted:
        raise DataError(
            f"{info.path}: truncated: the header promises {info.frames} samples, decoding stops "
            f"at {done} ({done / info.rate:.3f} s); fetch or copy it again"
        )


def require_finite(path: Path | str, waveform: Waveform, start: int, rate: int) -> None:
    """Raise DataError, with the number and the place of the first, for NaN or infinite samples."""
    good = np.isfinite(waveform)
    if good.all():
        return
    first = int(np.argmin(good.all(axis=0))) + start
    raise DataError(
        f"{path}: {int(good.size - good.sum())} of {good.size} samples are NaN or infinite, the "
        f"first at {first / rate:.3f} s; repair what wrote the file, or leave the file out"
    )


def quantised(waveform: Waveform, subtype: str) -> tuple[NDArray, int]:
    """Turn samples into (time, channels) as stored; count those beyond full scale."""
    if subtype in ("FLOAT", "DOUBLE"):
        return waveform.T, 0
    limited = int(np.count_nonzero(np.abs(waveform) > 1.0))
    if subtype not in _PCM_BITS:
        return np.clip(waveform, -1.0, 1.0).T, limited
    # Reading divides by 2**(bits-1), so multiplying by it makes the round trip exact; libsndfile
    # itself would scale by 2**(bits-1) - 1.
    top = 2 ** (_PCM_BITS[subtype] - 1)
    steps = np.clip(np.rint(waveform.astype(np.float64) * top), -top, top - 1).astype(np.int64)
    if subtype == "PCM_16":
        return steps.astype(np.int16).T, limited
    return (steps << (32 - _PCM_BITS[subtype])).astype(np.int32).T, limited


@contextmanager
def replacing(path: Path, premise: str) -> Iterator[Path]:
    """Lend a name beside `path`; what was written there replaces `path` when nothing fails.

    `premise` is what a format must allow, for the message. Raises DataError for failures of the
    disk and of libsndfile, and leaves no partial file behind after any error.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(
            f"{path}: cannot be written ({error}); check free space and permissions of "
            f"{path.parent}, and that {premise}"
        ) from error
    finally:
        with suppress(OSError):  # gone after the replacement; or the parent is no folder
            partial.unlink()
