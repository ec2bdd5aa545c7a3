"""Opus at a bitrate, as a yardstick: coded by the programs opusenc and opusdec where they are.

Complexity 10, frames of 20 ms, speech tuning off, as in the format's listening tests; the payload
is counted without Ogg pages, comments and headers.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from wellposed.data.audio import Waveform, resample
from wellposed.errors import RunError

LOWEST_KBPS = 6.0
"""Of Opus for mono (RFC 6716, section 2.1.1)."""
PROGRAMS = ("opusenc", "opusdec")


@dataclass(frozen=True)
class OpusResult:
    """A recording after Opus."""

    wave: Waveform
    """(1, time), at the rate and of the length of the recording."""
    kbps: float
    """Of the audio packets."""


def missing() -> tuple[str, ...]:
    """Programs that are not installed; none: Opus can be asked."""
    return tuple(name for name in PROGRAMS if shutil.which(name) is None)


def version() -> str:
    """Say which opusenc and which libopus these are."""
    done = subprocess.run(["opusenc", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].strip()


def through_opus(wave: Waveform, rate: int, kbps: float, *, constant: bool = True) -> OpusResult:
    """Code a mono recording (1, time) at `kbps`, of constant or variable bitrate.

    Raises RunError: a program is missing or fails.
    """
    if missing():
        raise RunError(f"not installed: {', '.join(missing())}; install opus-tools")
    with tempfile.TemporaryDirectory(prefix="wellposed-opus-") as folder:
        source, coded, back = (Path(folder) / name for name in ("a.wav", "a.opus", "b.wav"))
        soundfile.write(source, wave.T, rate, subtype="PCM_16")
        mode = "--hard-cbr" if constant else "--vbr"
        options = ["--quiet", "--bitrate", f"{kbps:g}", mode, "--comp", "10", "--framesize", "20"]
        _run(["opusenc", *options, str(source), str(coded)])
        payload = _payload(coded.read_bytes())
        _run(["opusdec", "--quiet", "--rate", "48000", "--float", str(coded), str(back)])
        found, found_rate = soundfile.read(back, dtype="float32", always_2d=True)
    again = resample(np.ascontiguousarray(found.T[:1], np.float32), found_rate, rate)
    whole = np.zeros_like(wave)
    samples = min(wave.shape[1], again.shape[1])
    whole[:, :samples] = again[:, :samples]
    return OpusResult(whole, payload * 8 / 1000 / (wave.shape[1] / rate))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")


def _payload(content: bytes) -> int:
    """Bytes of audio packets: what Ogg pages hold after the two header packets."""
    total, page = 0, 0
    for match in re.finditer(b"OggS\0", content):
        at = match.start()
        if at < page:
            continue  # the letters within a page
        segments = content[at + 27 : at + 27 + content[at + 26]]
        page = at + 27 + len(segments) + sum(segments)
        body = content[at + 27 + len(segments) : at + 27 + len(segments) + 8]
        if body not in (b"OpusHead", b"OpusTags"):
            total += sum(segments)
    return total
