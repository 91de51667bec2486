"""Light curves in a tar archive of text files, as the training set of ASAS (Richards et al., ApJS 203 (2012) 32).

Each file ``NUMBER.dat`` is a star, with lines of time [d], magnitude and error, separated by commas. Classes are in a
text file beside the archive, ``*classes*.dat``, whose first line is ``filename,class``; without it events have no
class. The archive is read in memory: nothing is extracted. An event is a star, and its index is the file's number.

Nothing else is known of a star: its period is that of the highest peak of the Lomb-Scargle periodogram (astropy; half
the orbit of an eclipsing binary with equal minima), mean magnitude and amplitude are those of four harmonics at it.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import xarray as xr

from simulacra.formats.errors import FormatError
from simulacra.formats.ogle import refuse_no_measurements, stars_of
from simulacra.observables.light_curves import CLASSES
from simulacra.observables.periods import curve_of, lomb_scargle_period
from simulacra.observables.series import FEWEST_FOLDED

SUFFIX: Final = ".dat"
#: no light curve is longer [bytes]
LARGEST: Final = 50_000_000
#: nor is an archive, unpacked [bytes]
LARGEST_ARCHIVE: Final = 2_000_000_000


def is_archive(path: Path) -> bool:
    """Return whether a file is a tar archive, compressed or not."""
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return False


def read(path: str | os.PathLike[str], *, classes: str | os.PathLike[str] | None = None) -> xr.Dataset:
    """Read the stars of an archive.

    Parameters
    ----------
    classes:
        the file of classes; by default the one beside the archive, if there is one.

    Raises
    ------
    FormatError
        if the archive is truncated or holds no stars; a file is not made of three columns, has fewer than 18 lines or a
        value that is no measurement; or a class is missing or unknown. The message names the star.
    ImportError
        without astropy.
    """
    path = Path(path)
    names: list[str] = []
    curves: dict[str, list[np.ndarray]] = {"time": [], "magnitude": [], "magnitude_error": []}
    for name, content in _members(path):
        table = _table(path, name, content)
        names.append(name)
        for column, values in zip(curves, table.T, strict=True):
            curves[column].append(values)
    if not names:
        raise FormatError(f"'{path}' holds no files NUMBER{SUFFIX}: expected the light curves of stars")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormatError(f"'{path}' holds {twice}{SUFFIX} twice: keep one")
    refuse_no_measurements(str(path), names, curves)
    columns = {}
    beside = _classes_of(path, classes)
    if beside is not None:
        columns["stellar_class"] = _places(beside, names)
    stars = list(zip(*curves.values(), strict=True))
    period = np.array([lomb_scargle_period(time, values, error) for time, values, error in stars])
    found = [curve_of(star[0], star[1], star[2], one) for star, one in zip(stars, period.tolist(), strict=True)]
    columns |= {
        "period": period,
        "mean_magnitude": np.array([one.mean for one in found]),
        "amplitude": np.array([one.amplitude for one in found]),
    }
    return stars_of(curves, columns, np.array([int(name) for name in names]), str(path), "asas")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the numbers and the contents of the stars of an archive, in the order of their numbers."""
    found, total = {}, 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                # A link is no star, wherever it leads.
                if not member.isfile() or name.suffix != SUFFIX:
                    continue
                if not name.stem.isdecimal():
                    raise FormatError(f"'{path}': the file '{member.name}' is not called NUMBER{SUFFIX}")
                if member.size > LARGEST:
                    raise FormatError(
                        f"'{path}': '{member.name}' has {member.size:,} bytes, too many for a light curve"
                    )
                if (total := total + member.size) > LARGEST_ARCHIVE:
                    raise FormatError(f"'{path}': its files have more than {LARGEST_ARCHIVE:,} bytes: split it")
                opened = archive.extractfile(member)
                found[member.name] = (name.stem, b"" if opened is None else opened.read())
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise FormatError(f"'{path}' is truncated, or no tar archive ({error}): get it again") from error
    yield from sorted(found.values(), key=lambda star: int(star[0]))


def _table(path: Path, star: str, content: bytes) -> np.ndarray:
    """Return times, magnitudes and errors of a star, (N, 3)."""
    rows = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            time, magnitude, error = map(float, line.split(","))
        except ValueError:
            raise FormatError(
                f"'{path}': line {number} of star {star} is '{line[:60]}': expected time, magnitude and error, "
                "separated by commas"
            ) from None
        rows.append((time, magnitude, error))
    if len(rows) < FEWEST_FOLDED:
        raise FormatError(
            f"'{path}': star {star} has {len(rows)} observations, fewer than {FEWEST_FOLDED}: leave it out"
        )
    return np.array(rows)


def _classes_of(path: Path, given: str | os.PathLike[str] | None) -> Path | None:
    if given is not None:
        return Path(given)
    found = sorted(path.parent.glob("*classes*.dat"))
    if len(found) > 1:
        raise FormatError(
            f"{path.parent} holds several files of classes, {found[0].name} and {found[1].name}: name one"
        )
    return found[0] if found else None


def _places(path: Path, stars: list[str]) -> np.ndarray:
    """Return the position of each star's class among the known ones, (N,)."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"the classes '{path}' cannot be read ({error})") from error
    if not lines or [column.strip() for column in lines[0].split(",")[:2]] != ["filename", "class"]:
        raise FormatError(f"'{path}': expected the first line 'filename,class', found '{(lines or [''])[0][:60]}'")
    classes = {}
    for line in filter(str.strip, lines[1:]):
        name, _, rest = line.partition(",")
        classes[PurePosixPath(name.strip()).name.removesuffix(SUFFIX)] = rest.split(",")[0].strip()
    for star in stars:
        if star not in classes:
            raise FormatError(f"'{path}' has no class of star {star}: add it, or leave the star out of the archive")
        if classes[star] not in CLASSES:
            raise FormatError(f"'{path}': the class of star {star} is '{classes[star]}', none of {', '.join(CLASSES)}")
    return np.array([CLASSES.index(classes[star]) for star in stars], dtype=np.int32)
