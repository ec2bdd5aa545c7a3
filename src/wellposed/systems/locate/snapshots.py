"""Measurements in .npz files: what is in them, and what is wrong with them.

Before a surface: `heard` `(measurements, chains)` or `(scenes, measurements, chains)`, `channel`
`(chains, elements)` or one a scene, `codes` `(measurements, elements)`; all complex. Of an array:
`snapshots` `(sensors, T)`, or `covariance` `(sensors, sensors)` and `number`, of how many snapshots
it is the mean; `positions` `(sensors, 3)` [m]; `wavelength` [m].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from torch import Tensor

from wellposed.errors import DataError

HERMITIAN = 1e-6
"""Largest difference of a covariance and its adjoint, relative to its largest entry: single
precision leaves 1e-7 a sum, and nothing that is meant is as small."""
SURFACE = ("heard", "channel", "codes")
ARRAY = ("positions", "wavelength")


@dataclass(frozen=True)
class SurfaceData:
    """Of a surface, complex128."""

    heard: Tensor
    """`(scenes, measurements, chains)`"""
    channel: Tensor
    """`(scenes, chains, elements)`"""
    codes: Tensor
    """`(scenes, measurements, elements)`"""


@dataclass(frozen=True)
class ArrayData:
    """Of an array, complex128."""

    snapshots: Tensor
    """`(sensors, columns)`: the snapshots, or columns with the same Y Y^H"""
    positions: Tensor
    """`(sensors, 3)`"""
    wavelength: float
    number: int
    """of snapshots"""


def read(path: Path, extra: Mapping[str, Path] | None = None) -> SurfaceData | ArrayData:
    """Read measurements; `extra` are .npy files by the name of what they hold.

    Raises DataError: unreadable, something missing, a wrong shape, numbers that are not finite, a
    covariance that is not Hermitian or has negative power, too few numbers to tell one source.
    """
    given = dict(_load(path))
    for name, each in (extra or {}).items():
        given[name] = _array(each)
    where = str(path)
    if "heard" in given:
        _need(given, SURFACE, where)
        return surface_data(given["heard"], given["channel"], given["codes"], where)
    if "snapshots" in given or "covariance" in given:
        _need(given, ARRAY, where)
        return array_data(given, where)
    raise DataError(
        f"{where}: holds {', '.join(given) or 'nothing'}; wanted: heard, channel and codes of a "
        "surface, or snapshots (or covariance and number), positions and wavelength of an array. "
        "`wellposed locate example -o FILE` writes such a file"
    )


def surface_data(
    heard: np.ndarray, channel: np.ndarray, codes: np.ndarray, where: str = "measurements"
) -> SurfaceData:
    """Check what a surface has measured. Raises DataError as `read`."""
    y, h, w = (
        _complex(each, name, where)
        for name, each in zip(SURFACE, (heard, channel, codes), strict=True)
    )
    _axes(y, "heard", "(measurements, chains) or (scenes, measurements, chains)", where)
    _axes(h, "channel", "(chains, elements) or (scenes, chains, elements)", where)
    _axes(w, "codes", "(measurements, elements) or (scenes, measurements, elements)", where)
    y, h, w = (each if each.ndim == 3 else each[None] for each in (y, h, w))
    scenes = len(y)
    for name, each in (("channel", h), ("codes", w)):
        if len(each) not in (1, scenes):
            raise DataError(f"{where}: {name} of {len(each)} scenes, heard of {scenes}")
    if h.shape[1] != y.shape[2]:
        raise DataError(
            f"{where}: channel to {h.shape[1]} chains, but heard has {y.shape[2]}; channel is "
            "(chains, elements), heard (measurements, chains)"
        )
    if w.shape[1] != y.shape[1]:
        raise DataError(
            f"{where}: {w.shape[1]} codes for {y.shape[1]} measurements: one code each is wanted"
        )
    if w.shape[2] != h.shape[2]:
        raise DataError(f"{where}: codes of {w.shape[2]} elements, channel of {h.shape[2]}")
    _enough(
        2 * y.shape[1] * y.shape[2], 5, f"{y.shape[1]} measurements x {y.shape[2]} chains", where
    )
    return SurfaceData(y, h.expand(scenes, -1, -1), w.expand(scenes, -1, -1))


def array_data(given: Mapping[str, np.ndarray], where: str = "measurements") -> ArrayData:
    """Check what an array has recorded. Raises DataError as `read`."""
    positions = _real(given["positions"], "positions", where)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise DataError(
            f"{where}: positions of shape {tuple(positions.shape)}: (sensors, 3) in metres wanted"
        )
    wavelength = float(_real(given["wavelength"], "wavelength", where).reshape(-1)[0])
    if wavelength <= 0:
        raise DataError(f"{where}: wavelength {wavelength:g} m: above 0 wanted")
    if "snapshots" in given:
        data = _complex(given["snapshots"], "snapshots", where)
        if data.ndim != 2:
            raise DataError(f"{where}: snapshots of shape {tuple(data.shape)}: (sensors, T) wanted")
        number = data.shape[1]
    else:
        if "number" not in given:
            raise DataError(
                f"{where}: a covariance without number: of how many snapshots it is the mean "
                "decides how sure the estimate is"
            )
        number = int(np.asarray(given["number"]).reshape(-1)[0])
        data = _root(_complex(given["covariance"], "covariance", where), where)
        if number < 1:
            raise DataError(f"{where}: number {number}: at least one snapshot wanted")
        data = data * number**0.5
    if data.shape[0] != len(positions):
        raise DataError(f"{where}: {data.shape[0]} sensors in the data, {len(positions)} positions")
    _enough(2 * len(positions) * number, 2 + 2 * number, f"{len(positions)} sensors", where)
    return ArrayData(data, positions, wavelength, number)


def _root(covariance: Tensor, where: str) -> Tensor:
    """Columns Y with Y Y^H the covariance."""
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise DataError(
            f"{where}: covariance of shape {tuple(covariance.shape)}: (sensors, sensors) wanted"
        )
    largest = float(covariance.abs().max())
    off = float((covariance - covariance.mH).abs().max())
    if off > HERMITIAN * largest:
        row, column = divmod(int((covariance - covariance.mH).abs().argmax()), len(covariance))
        raise DataError(
            f"{where}: the covariance is not Hermitian: entry ({row}, {column}) differs from the "
            f"conjugate of ({column}, {row}) by {off:.2g}, the largest entry is {largest:.2g}. "
            "Y Y^H / T is Hermitian; was it transposed without conjugation, or averaged by parts?"
        )
    values, vectors = torch.linalg.eigh((covariance + covariance.mH) / 2)
    if float(values[0]) < -HERMITIAN * len(values) * max(float(values[-1]), 0.0):
        raise DataError(
            f"{where}: the covariance has an eigenvalue of {float(values[0]):.2g}: powers are not "
            "negative. Was something subtracted from it?"
        )
    return vectors * values.clamp(min=0).sqrt()


def _load(path: Path) -> Mapping[str, np.ndarray]:
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    try:
        if not is_zipfile(path):
            raise DataError(f"{path}: is no .npz file, as numpy.savez writes them")
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as .npz ({error})") from None


def _array(path: Path) -> np.ndarray:
    try:
        held = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as .npy ({error})") from None
    if not isinstance(held, np.ndarray):
        raise DataError(f"{path}: several arrays; wanted a .npy file, by np.save")
    return held


def _need(given: Mapping[str, np.ndarray], names: tuple[str, ...], where: str) -> None:
    if missing := [name for name in names if name not in given]:
        raise DataError(
            f"{where}: no {', '.join(missing)}; found {', '.join(given)}. "
            + (
                "Without H the places are not determined, whatever the network: "
                "`wellposed rule WP122`"
                if "channel" in missing
                else "They belong into the file, or beside it: see `wellposed locate --help`"
            )
        )


def _complex(values: np.ndarray, name: str, where: str) -> Tensor:
    if not np.iscomplexobj(values):
        raise DataError(
            f"{where}: {name} of {np.asarray(values).dtype}: complex numbers wanted; take the "
            "analytic signal, or one bin of a Fourier transform"
        )
    return _finite(torch.from_numpy(np.array(values, np.complex128)), name, where)


def _real(values: np.ndarray, name: str, where: str) -> Tensor:
    if np.iscomplexobj(values) or np.asarray(values).dtype.kind not in "fiu":
        raise DataError(f"{where}: {name} of {np.asarray(values).dtype}: real numbers wanted")
    return _finite(torch.from_numpy(np.array(values, np.float64)), name, where)


def _finite(values: Tensor, name: str, where: str) -> Tensor:
    parts = torch.view_as_real(values) if values.is_complex() else values[..., None]
    bad = ~torch.isfinite(parts).all(-1)
    if not values.numel():
        raise DataError(f"{where}: {name} is empty")
    if bool(bad.any()):
        first = tuple(bad.nonzero()[0].tolist())
        raise DataError(
            f"{where}: {int(bad.sum())} of {bad.numel()} values of {name} are not finite, the "
            f"first at {first}; remove those measurements"
        )
    return values


def _axes(values: Tensor, name: str, wanted: str, where: str) -> None:
    if values.ndim not in (2, 3):
        raise DataError(f"{where}: {name} of shape {tuple(values.shape)}: {wanted} wanted")


def _enough(numbers: int, unknowns: int, what: str, where: str) -> None:
    if numbers <= unknowns:
        raise DataError(
            f"{where}: {what} are {numbers} real numbers, and one source has {unknowns} unknowns: "
            "more are wanted, or nothing is left to tell a source from noise by"
        )
