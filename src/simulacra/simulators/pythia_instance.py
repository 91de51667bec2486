"""One Pythia: set up, initialised and run; its messages become errors. Importing this imports pythia8mc."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pythia8mc

from simulacra.compressed import is_compressed, unpack
from simulacra.observables.muon_images import MUON
from simulacra.simulators.pythia_errors import PythiaError
from simulacra.simulators.pythia_processes import HardParticle, process_named
from simulacra.simulators.pythia_settings import PythiaSettings, card_lines
from simulacra.simulators.pythia_variations import FRAGMENTATION, Variation, variation_lines

_SWITCHES: Final = ("true", "on", "yes", "ok", "1", "false", "off", "no", "0")

_PARTICLE_SWITCH: Final = re.compile(r"\d+:(isresonance|maydecay|doexternaldecay|isvisible|doforcewidth)")


@contextlib.contextmanager
def printed() -> Iterator[Callable[[], str]]:
    """Keep Pythia's output off the terminal; the yielded function returns it in one line."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)

        def read() -> str:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 20_000))
            return _messages(file.read().decode(errors="replace"))

        try:
            yield read
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)


def _messages(text: str) -> str:
    """Return Pythia's last errors and warnings, in one line, from all that it printed."""
    lines = text.splitlines()
    found: list[str] = []
    for i, line in enumerate(lines):
        if line.strip().startswith("PYTHIA "):
            # its subject is in the next line, indented
            about = lines[i + 1] if i + 1 < len(lines) and lines[i + 1].startswith("   ") else ""
            found.append(" ".join(f"{line} {about}".split()))
    return "; ".join(dict.fromkeys(found[-5:]))


class _HardSelection(pythia8mc.UserHooks):  # type: ignore[misc]
    """Leaves out collisions of whose hard process no particle is as asked for, before their showers."""

    def __init__(self, wanted: HardParticle) -> None:
        super().__init__()
        self._wanted = wanted

    def canVetoProcessLevel(self) -> bool:  # noqa: N802 - Pythia's name
        return True

    def doVetoProcessLevel(self, process: Any) -> bool:  # noqa: N802
        wanted = self._wanted
        particles = (process[i] for i in range(process.size()))
        return not any(
            particle.idAbs() == wanted.identity
            and particle.pT() >= wanted.min_pt
            and abs(particle.eta()) < wanted.max_abs_eta
            for particle in particles
        )


class PythiaInstance:
    """A Pythia with the settings of all events of a sample; parameters and seeds come with each run."""

    def __init__(self, settings: PythiaSettings) -> None:
        self._settings = settings
        self._variations = [Variation.parse(text) for text in settings.variations]
        self._pythia = pythia8mc.Pythia("", False)
        self._info = self._pythia.infoPython()
        self._indices: list[int] = []
        self._n_weights = 0
        # not Print:quiet, which keeps the reasons of failures to itself too
        silent = [f"{name} = off" for name in ("Init:showChangedSettings", "Init:showChangedParticleData")]
        silent += [f"Next:numberShow{what} = 0" for what in ("Info", "Process", "Event")]
        process = process_named(settings.process).settings if settings.process else ()
        values = [f"{settings.key_of(name)} = {value}" for name, value in settings.values.items()]
        model = {"simple": 1, "vincia": 2}[settings.shower]
        wanted = process_named(settings.process).hard if settings.process else None
        if wanted is not None:
            # kept here too, for Pythia does not keep it alive
            self._selection = _HardSelection(wanted)
            self._pythia.setUserHooksPtr(self._selection)
        self._set([*silent, "Random:setSeed = on"], "the project's own")
        self._set(process, f"the process '{settings.process}'")
        self._set(card_lines(settings.card), "the card")
        self._set(values, "a value that was set")
        self._set([f"PartonShowers:model = {model}"], "the shower")
        self._set(variation_lines(self._variations), "the variations")
        if settings.lhe is not None:
            # by a link of a plain name, for a path with a space ends there for Pythia
            folder = tempfile.mkdtemp(prefix="simulacra-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            link = Path(folder) / "events.lhe"
            if is_compressed(settings.lhe):
                unpack(settings.lhe, link)
            else:
                link.symlink_to(settings.lhe.resolve())
            self._refuse_merging()
            self._set(["Beams:frameType = 4", f"Beams:LHEF = {link}"], "the LHE file")

    @property
    def version(self) -> str:
        """Pythia's version."""
        return f"{self._pythia.settings.parm('Pythia:versionNumber'):.3f}"

    def range_of(self, key: str) -> tuple[str, float, float]:
        """Return the key of a real parameter in Pythia's spelling, and its allowed range.

        Raises
        ------
        ValueError
            if Pythia has no such parameter, or it is not a real number.
        """
        settings = self._pythia.settings
        if not settings.isParm(key):
            kind = "is not a real number" if self._is_known(key) else "is unknown to Pythia"
            raise ValueError(f"'{key}' {kind}, so it cannot be drawn{self._similar(key)}")
        found = settings.getParmMap(key.lower())[key.lower()]
        low = found.valMin if found.hasMin else -math.inf
        return str(found.name), low, found.valMax if found.hasMax else math.inf

    def value_of(self, key: str) -> float:
        """Return the value of a real parameter."""
        return float(self._pythia.settings.parm(key))

    def begin(self, seed: int, parameters: Mapping[str, str], skip: int = 0) -> None:
        """Initialise for a run.

        Parameters
        ----------
        seed:
            of Pythia's random numbers, from 1 to 900,000,000.
        parameters:
            Pythia's keys and their values.
        skip:
            number of events of the LHE file to skip.

        Raises
        ------
        PythiaError
            with Pythia's own message, if it fails.
        """
        with printed() as text:
            self._set([f"Random:seed = {seed}", *(f"{k} = {v}" for k, v in parameters.items())], "a drawn parameter")
            if not self._pythia.init():
                raise PythiaError(f"Pythia does not start with these settings: {text() or 'it gives no reason'}")
            if skip and not self._pythia.LHAeventSkip(skip):
                raise PythiaError(f"'{self._settings.lhe}' ends before event {skip}")
        self._n_weights = self._info.numberOfWeights()
        self._indices = self._indices_of_variations()

    def next(self) -> bool:
        """Make an event; return whether Pythia succeeded."""
        return bool(self._pythia.next())

    def append_particles(self, columns: tuple[list[int], list[float], list[float], list[float], list[float]]) -> int:
        """Append identity, momentum and energy of the final particles to five lists; return their number."""
        # a list of functions mapped over the particles, for a loop in Python takes a third longer
        particle = pythia8mc.Particle
        final = list(filter(particle.isFinal, self._pythia.event))
        identity, px, py, pz, energy = columns
        identity += map(particle.id, final)
        px += map(particle.px, final)
        py += map(particle.py, final)
        pz += map(particle.pz, final)
        energy += map(particle.e, final)
        return len(final)

    def has_muon(self, min_pt: float, max_abs_eta: float) -> bool:
        """Return whether there is a final muon of this transverse momentum [GeV] or more within a pseudorapidity."""
        event = self._pythia.event
        muons = (event[place] for place, one in enumerate(map(pythia8mc.Particle.id, event)) if abs(one) == MUON)
        return any(one.isFinal() and one.pT() >= min_pt and abs(one.eta()) < max_abs_eta for one in muons)

    def weights(self) -> list[float]:
        """Return Pythia's weight of the event and that of each variation."""
        info = self._info
        # Pythia puts the weights of an event of an LHE file before those of the variations
        shift = info.numberOfWeights() - self._n_weights
        found = [info.weight()]
        for variation, index in zip(self._variations, self._indices, strict=True):
            if info.weightNameByIndex(index + shift) != variation.name.lower():
                raise PythiaError(
                    f"Pythia has the weight '{info.weightNameByIndex(index + shift)}' where that of the variation "
                    f"'{variation.name}' should be"
                )
            found.append(info.weightValueByIndex(index + shift))
        return found

    def charges(self, identities: np.ndarray) -> np.ndarray:
        """Return the charges of particles by their identities, (n,) int8 [e]."""
        data = self._pythia.particleData
        thirds = np.array([data.chargeType(int(identity)) for identity in identities], dtype=np.int64)
        return (thirds // 3).astype(np.int8)

    def visible(self, identities: np.ndarray) -> np.ndarray:
        """Return whether particles are visible in a detector, by their identities, of the same shape."""
        kinds, kind = np.unique(identities, return_inverse=True)
        seen = np.array([bool(self._pythia.particleData.isVisible(int(identity))) for identity in kinds], dtype=bool)
        return np.asarray(seen[kind].reshape(identities.shape))

    def _refuse_merging(self) -> None:
        """Refuse settings that leave out events of an LHE file, because chunks would then start at wrong events."""
        flags = self._pythia.settings.getFlagMap("merging:do")
        on = [str(flag.name) for flag in flags.values() if flag.valNow and not flag.valDefault]
        if on:
            raise ValueError(
                f"{', '.join(on)} = on: merging silently leaves out events of an LHE file, and then an event's "
                "number is not its position in the file; merge with another program, and read the events as HepMC"
            )

    def _set(self, lines: Iterable[str], origin: str) -> None:
        for line in lines:
            key, separator, value = (part.strip() for part in line.partition("="))
            if separator:
                self._check_value(key, value, origin)
            with printed() as text:
                if not self._pythia.readString(line):
                    known = "" if self._is_known(key) or not separator else self._similar(key)
                    raise ValueError(f"Pythia refuses '{line}' ({origin}): {text()}{known}{self._range(key)}")

    def _check_value(self, key: str, value: str, origin: str) -> None:
        """Refuse values that Pythia would silently misread."""
        settings = self._pythia.settings
        if (settings.isFlag(key) or _PARTICLE_SWITCH.fullmatch(key.lower())) and value.lower() not in _SWITCHES:
            raise ValueError(f"'{key}' ({origin}) is a switch, on or off, not '{value}'")
        if settings.isMode(key):
            try:
                int(value)
            except ValueError:
                raise ValueError(f"'{key}' ({origin}) takes a whole number, not '{value}'") from None
        if settings.isParm(key):
            try:
                number = float(value)
            except ValueError:
                raise ValueError(f"'{key}' ({origin}) takes a number, not '{value}'") from None
            if not math.isfinite(number):
                raise ValueError(f"'{key}' ({origin}) takes a finite number, not '{value}'")

    def _is_known(self, key: str) -> bool:
        settings = self._pythia.settings
        tests = (
            settings.isFlag, settings.isMode, settings.isParm, settings.isWord,
            settings.isFVec, settings.isMVec, settings.isPVec, settings.isWVec,
        )  # fmt: skip
        return any(test(key) for test in tests)

    def _range(self, key: str) -> str:
        if not self._pythia.settings.isParm(key):
            return ""
        _, low, high = self.range_of(key)
        return f" (it takes {low:g} to {high:g})"

    def _similar(self, key: str) -> str:
        import difflib

        group, _, name = key.lower().partition(":")
        settings = self._pythia.settings
        maps = [getattr(settings, f"get{kind}Map")(group + ":") for kind in ("Flag", "Mode", "Parm", "Word")]
        names = [str(entry.name) for found in maps for entry in found.values()]
        close = difflib.get_close_matches(f"{group}:{name}", [n.lower() for n in names], n=3)
        spelled = [n for n in names if n.lower() in close]
        return f"; similar ones are {', '.join(spelled)}" if spelled else ""

    def _indices_of_variations(self) -> list[int]:
        names = [self._info.weightNameByIndex(i) for i in range(self._info.numberOfWeights())]
        for variation in self._variations:
            if variation.name.lower() not in names:
                part = "shower" if variation.of_shower else "fragmentation"
                raise ValueError(
                    f"Pythia computes no weight for the variation '{variation}': "
                    f"the chosen {part} ({self._settings.shower}) has none"
                )
        return [names.index(variation.name.lower()) for variation in self._variations]

    def check_variations(self) -> None:
        """Raise :class:`ValueError` if a variation's value is out of the range of its setting."""
        for variation in self._variations:
            for keyword, value in variation.values:
                if keyword in FRAGMENTATION:
                    _, low, high = self.range_of(FRAGMENTATION[keyword])
                    if not low <= value <= high:
                        raise ValueError(
                            f"variation '{variation.name}': {keyword} ({FRAGMENTATION[keyword]}) takes "
                            f"{low:g} to {high:g}, not {value:g}"
                        )
