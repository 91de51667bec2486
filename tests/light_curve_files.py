"""Light curves in the layouts of OGLE's and ASAS's files, written small."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import h5py
import numpy as np

COUNTS = (40, 25, 30, 20, 10)


def write_ogle(path: Path) -> dict[str, np.ndarray]:
    """Write five stars of which four are in the catalogue, the last with too few observations; return the columns."""
    rng = np.random.default_rng(2)
    n = sum(COUNTS)
    period = np.array([3.1, 5.6, 2.66, 10.5])
    columns = {
        "light_curves/offset": np.concatenate([[0], np.cumsum(COUNTS)]),
        "light_curves/id": np.array([f"OGLE-LMC-CEP-{k:04d}".encode() for k in (1, 2, 5, 12, 16)]),
        "light_curves/hjd_minus_2450000": np.concatenate([np.sort(rng.uniform(5000, 7000, k)) for k in COUNTS]),
        "light_curves/i_mag": rng.uniform(15, 16, n).astype("f4"),
        "light_curves/i_mag_error": rng.uniform(0.005, 0.02, n).astype("f4"),
        "fundamental_mode/id": np.array([f"OGLE-LMC-CEP-{k:04d}".encode() for k in (2, 5, 12, 16)]),
        "fundamental_mode/period_days": period,
        "fundamental_mode/mean_i_mag": 15.5 - np.log10(period),
        "fundamental_mode/mean_v_mag": 16.2 - np.log10(period),
        "fundamental_mode/i_amplitude_mag": np.array([0.3, 0.5, 0.7, 0.2]),
        "fundamental_mode/phi21": np.array([4.6, np.nan, 4.4, 4.8]),
    }
    rewrite(path, columns)
    return columns


def rewrite(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write datasets into a file in the place of another."""
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values


def write_asas(path: Path, stars: dict[str, str], classes: dict[str, str] | None = None) -> Path:
    """Write an archive of files by name, and a file of classes beside it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in stars.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    if classes is not None:
        lines = ["filename,class", *(f"{name},{one}" for name, one in classes.items())]
        (path.parent / "toy_classes.dat").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sine(period: float, *, observations: int = 150, seed: int = 1) -> str:
    """Return the lines of a sinusoidal star of amplitude 0.6 about magnitude 11."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(1800, 2600, observations))
    values = 11 + 0.3 * np.cos(2 * np.pi * time / period) + 0.02 * rng.normal(size=observations)
    return "".join(f"{t:.5f},{m:.3f},0.020\n" for t, m in zip(time, values, strict=True))
