"""Settings of a simulation with Pythia: process, Pythia's settings, prior of its parameters, and variations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from simulacra.conditions import Distribution
from simulacra.settings import CheckedSettings
from simulacra.simulators.pythia_processes import process_named, processes
from simulacra.simulators.pythia_variations import Variation
from simulacra.simulators.simulation import DistributionText

Shower = Literal["simple", "vincia"]
_Selection = TypeVar("_Selection", bound=CheckedSettings)

EVENTS_PER_DRAW: Final = 250
MAX_PARTICLES: Final = 1600
"""The largest number of particles of a process without a name."""

SHORT_NAMES: Final[Mapping[str, str]] = {
    "alphaS": "TimeShower:alphaSvalue",
    "alphaSinitial": "SpaceShower:alphaSvalue",
    "pTmin": "TimeShower:pTmin",
    "aLund": "StringZ:aLund",
    "bLund": "StringZ:bLund",
    "rFactC": "StringZ:rFactC",
    "rFactB": "StringZ:rFactB",
    "sigmaPT": "StringPT:sigma",
    "probStoUD": "StringFlav:probStoUD",
    "probQQtoQ": "StringFlav:probQQtoQ",
    "probSQtoQQ": "StringFlav:probSQtoQQ",
    "probQQ1toQQ0": "StringFlav:probQQ1toQQ0",
}
"""Parameters with a short name here, and Pythia's keys for them."""

VINCIA_NAMES: Final[Mapping[str, str]] = {"alphaS": "Vincia:alphaSvalue"}
"""The keys for the shower Vincia, if they differ."""

IN_GEV: Final = ("TimeShower:pTmin", "SpaceShower:pTmin", "StringPT:sigma", "MultipartonInteractions:pT0Ref")

_OURS: Final[Mapping[str, str]] = {
    "random:": "give the seed by --seed",
    "partonshowers:": "choose the shower (--shower simple or vincia)",
    "uncertaintybands:dovariations": "give variations by name (--variation)",
    "uncertaintybands:list": "give variations by name (--variation)",
    "variationfrag:list": "give variations by name (--variation)",
    "beams:lhef": "give the LHE file by --lhe",
    "beams:frametype": "give the LHE file by --lhe",
    "include": "put the lines of the other file into the card",
}
"""Beginnings of lines that settings may not contain, and where to give these settings instead."""

_NOT_OURS: Final = ("main:", "init:", "next:", "print:", "stat:", "check:errors", "random:", "partonshowers:model")
"""Beginnings of a card's lines that are ignored: they steer Pythia's own programs, or are set elsewhere."""


def _text_of_card(value: Any) -> Any:
    if not isinstance(value, Path):
        return value
    if not value.is_file():
        raise ValueError(f"there is no card '{value}'")
    try:
        return value.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the card '{value}' is not a text: {error}") from None


def _text_of_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "on" if value else "off"
    return repr(value) if isinstance(value, int | float) else value


SettingText = Annotated[str, BeforeValidator(_text_of_value), Field(min_length=1)]


class JetSettings(CheckedSettings):
    """Anti-kT jets: their radius, how many are kept, and the lowest transverse momentum [GeV]."""

    radius: Annotated[FiniteFloat, Field(gt=0)] = 0.8
    n_jets: Annotated[int, Field(ge=1, le=100)] = 2
    min_pt: Annotated[FiniteFloat, Field(ge=0)] = 0.0


class LeadingJetSettings(CheckedSettings):
    """The leading anti-kT jet of each collision: its radius, its range of transverse momentum [GeV], its particles.

    Visible particles are clustered up to the pseudorapidity ``max_abs_eta``; the ``particles`` hardest ones are kept.
    """

    min_pt: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    max_pt: Annotated[FiniteFloat, Field(gt=0)] = 1e6
    radius: Annotated[FiniteFloat, Field(gt=0)] = 0.8
    max_abs_eta: Annotated[FiniteFloat, Field(gt=0)] = 5.0
    particles: Annotated[int, Field(ge=1, le=1000)] = 150

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_pt >= self.max_pt:
            raise ValueError(f"the lowest transverse momentum {self.min_pt:g} GeV is not below {self.max_pt:g} GeV")
        return self


class JetImageSettings(CheckedSettings):
    """The image of the trimmed leading anti-kT jet of each collision (arXiv:1701.05927).

    Taken are jets with a transverse momentum of ``min_pt`` to ``max_pt`` [GeV] and up to ``max_abs_eta`` after
    trimming: subjets by kT of the radius ``subjet_radius`` with a share of the jet's transverse momentum below
    ``subjet_share`` are left out. ``rotation`` is by a cubic spline ("spline") or "none"; see
    :mod:`simulacra.observables.image_preparation`.
    """

    min_pt: Annotated[FiniteFloat, Field(ge=0)] = 250.0
    max_pt: Annotated[FiniteFloat, Field(gt=0)] = 300.0
    max_abs_eta: Annotated[FiniteFloat, Field(gt=0)] = 2.0
    radius: Annotated[FiniteFloat, Field(gt=0)] = 1.0
    subjet_radius: Annotated[FiniteFloat, Field(gt=0)] = 0.3
    subjet_share: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.05
    pixels: Annotated[int, Field(ge=3, le=200)] = 25
    pixel_size: Annotated[FiniteFloat, Field(gt=0)] = 0.1
    rotation: Literal["spline", "none"] = "spline"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_pt >= self.max_pt:
            raise ValueError(f"the lowest transverse momentum {self.min_pt:g} GeV is not below {self.max_pt:g} GeV")
        return self


class MuonImageSettings(CheckedSettings):
    """The image of the calorimeter around the hardest muon of each collision (arXiv:2102.02278), with pile-up.

    Taken are collisions whose hardest muon up to the pseudorapidity ``max_abs_eta`` has a transverse momentum of
    ``min_pt`` to ``max_pt`` [GeV]. Visible particles of more than ``min_particle`` [GeV], but not muons, make
    the image. Pixels below ``min_pixel`` [GeV] become 0, and images without any pixel are left out. Pile-up is a
    Poisson number of mean ``pile_up`` of minimum-bias collisions, drawn from ``pile_up_collisions`` that are the same
    for all seeds.
    """

    min_pt: Annotated[FiniteFloat, Field(ge=0)] = 10.0
    max_pt: Annotated[FiniteFloat, Field(gt=0)] = 40.0
    max_abs_eta: Annotated[FiniteFloat, Field(gt=0, le=4)] = 2.1
    min_particle: Annotated[FiniteFloat, Field(ge=0)] = 0.2
    min_pixel: Annotated[FiniteFloat, Field(ge=0)] = 0.5
    pixels: Annotated[int, Field(ge=3, le=200)] = 33
    pixel_size: Annotated[FiniteFloat, Field(gt=0)] = 0.025
    pile_up: Annotated[FiniteFloat, Field(ge=0, le=2000)] = 50.0
    pile_up_collisions: Annotated[int, Field(ge=1, le=100_000)] = 2000

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_pt >= self.max_pt:
            raise ValueError(f"the lowest transverse momentum {self.min_pt:g} GeV is not below {self.max_pt:g} GeV")
        if self.pixels * self.pixel_size > 2 * math.pi:
            raise ValueError(f"{self.pixels} pixels of {self.pixel_size:g} are more than the whole circle")
        return self


class MultiJetSettings(CheckedSettings):
    """The hardest anti-kT jets of each collision that has enough of them, without their particles.

    Visible particles are clustered up to a pseudorapidity of 5. Counted are jets of at least ``min_pt`` [GeV] within
    the pseudorapidity ``max_abs_eta``; collisions with fewer than ``fewest`` are left out, and ``most`` are kept.
    """

    radius: Annotated[FiniteFloat, Field(gt=0)] = 1.0
    min_pt: Annotated[FiniteFloat, Field(gt=0)] = 100.0
    max_abs_eta: Annotated[FiniteFloat, Field(gt=0)] = 2.0
    fewest: Annotated[int, Field(ge=1)] = 2
    most: Annotated[int, Field(ge=1, le=100)] = 6

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.fewest > self.most:
            raise ValueError(f"of {self.fewest} jets or more no collision can keep all: 'most' is {self.most}")
        return self


class VisibleSettings(CheckedSettings):
    """The visible particles of each collision as transverse momentum, pseudorapidity and azimuth.

    Kept are those of more than ``min_pt`` [GeV] within the pseudorapidity ``max_abs_eta``; of more than ``particles``,
    the hardest ones.
    """

    min_pt: Annotated[FiniteFloat, Field(ge=0)] = 0.2
    max_abs_eta: Annotated[FiniteFloat, Field(gt=0)] = 5.0
    particles: Annotated[int, Field(ge=1, le=1000)] = 400


class PythiaSettings(CheckedSettings):
    """What to simulate.

    Later settings override earlier ones: ``process`` (a name), ``card`` (the text of a Pythia card, or its Path) and
    ``values`` (of Pythia's keys or the short names here). ``vary`` draws parameters (short names or keys) from
    distributions written ``0.14``, ``uniform:0.10:0.18`` or ``log:1:100``, once per ``events_per_draw`` events.
    ``variations`` are kept as exact weights. ``lhe`` takes the hard processes from a Les Houches event file.
    ``lhe_weights``, names or patterns such as ``MUR*``, choose which of its weights become variations too: by default
    all, if they are few. ``leading_jet`` makes each event the leading jet of a collision, relative to its axis
    (:mod:`simulacra.observables.relative_jets`), and takes collisions until enough have such a jet; processes of jets,
    such as ``top-jets``, bring their own. ``jet_image`` makes each event the image of its leading jet
    (:mod:`simulacra.observables.jet_images`); processes of images, such as ``jet-images``, bring their own.
    ``muon_image``, which ``muon-images`` brings, makes each event the image of the calorimeter around a muon.
    ``multi_jet`` and ``visible``, which the processes ``multi-jets`` and ``pile-up`` bring, keep jets without
    particles, and particles as transverse momenta and directions.
    """

    process: str | None = None
    card: Annotated[str, BeforeValidator(_text_of_card)] = ""
    values: dict[str, SettingText] = Field(default_factory=dict)
    shower: Shower = "simple"
    vary: dict[str, DistributionText] = Field(default_factory=dict)
    events_per_draw: Annotated[int, Field(ge=1)] = EVENTS_PER_DRAW
    variations: tuple[str, ...] = ()
    max_particles: Annotated[int | None, Field(ge=1, le=100_000)] = None
    jets: JetSettings | None = None
    leading_jet: LeadingJetSettings | None = None
    jet_image: JetImageSettings | None = None
    muon_image: MuonImageSettings | None = None
    multi_jet: MultiJetSettings | None = None
    visible: VisibleSettings | None = None
    lhe: Path | None = None
    lhe_weights: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.process is not None:
            process_named(self.process)
        elif self.lhe is None and not self.card and not self.values:
            raise ValueError(f"nothing to simulate: name a process ({', '.join(processes())}), a card or an LHE file")
        if self.process is not None and self.lhe is not None:
            raise ValueError(f"the hard process comes from '{self.lhe}': leave out the process '{self.process}'")
        if self.jet is not None and self.image is not None:
            raise ValueError("an event is a leading jet or the image of one, not both")
        if (self.jet or self.image) is not None and (self.jets is not None or self.lhe is not None):
            other = "jets of each event" if self.jets is not None else "an LHE file"
            raise ValueError(f"events that are leading jets alone cannot be made with {other}")
        if self.lhe is None and self.lhe_weights is not None:
            raise ValueError(f"the weights {list(self.lhe_weights)} need an LHE file (--lhe)")
        self._check_selection()
        for line in (*self.values, *self.vary, *card_lines(self.card)):
            for beginning, remedy in _OURS.items():
                if line.lower().startswith(beginning):
                    raise ValueError(f"'{line}' cannot be set here: {remedy}")
        for name, value in self.values.items():
            if "\n" in name or "\n" in value or "=" in name or not name.strip():
                raise ValueError(f"a setting is one KEY and one VALUE, not '{name}' and '{value}'")
        parsed = [Variation.parse(text) for text in self.variations]
        names = [variation.name.lower() for variation in parsed]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the variation '{twice[0]}' is given twice (Pythia ignores upper and lower case)")
        variables = [name.replace(":", "_") for name in self.vary]
        if len(set(variables)) < len(variables):
            raise ValueError(f"parameters are varied twice: {sorted(variables)}")
        return self

    def _check_selection(self) -> None:
        kept = {
            "leading jets": self.jet,
            "images of leading jets": self.image,
            "calorimeters around muons": self.muon,
            "several jets without particles": self.several_jets,
            "visible particles": self.visible_particles,
        }
        asked = [what for what, one in kept.items() if one is not None]
        if len(asked) > 1:
            raise ValueError(f"an event can be one of {' and '.join(asked)} only")
        if asked and asked[0] != "leading jets" and (self.jets is not None or self.lhe is not None):
            other = "jets of each event" if self.jets is not None else "an LHE file"
            raise ValueError(f"events that are {asked[0]} alone cannot be made with {other}")

    @property
    def jet(self) -> LeadingJetSettings | None:
        """The leading jet that is an event, None if collisions are events; what is not set is the process's."""
        return self._of_process("leading_jet", LeadingJetSettings)

    @property
    def several_jets(self) -> MultiJetSettings | None:
        """The jets that are kept of a collision in place of its particles; what is not set is the process's."""
        return self._of_process("multi_jet", MultiJetSettings)

    @property
    def visible_particles(self) -> VisibleSettings | None:
        """The particles that are kept by their transverse momenta; what is not set is the process's."""
        return self._of_process("visible", VisibleSettings)

    def _of_process(self, name: str, kind: type[_Selection]) -> _Selection | None:
        """Return the settings of this name: ours, and those of the process for what is not set."""
        ours: _Selection | None = getattr(self, name)
        asked = None if self.process is None else getattr(process_named(self.process), name)
        if asked is None or ours is None:
            return ours if asked is None else kind.model_validate(asked)
        return kind.model_validate(asked | ours.model_dump(exclude_unset=True))

    @property
    def image(self) -> JetImageSettings | None:
        """How the image of the leading jet is made, None if events are no images; what is not set is the process's."""
        return self._of_process("jet_image", JetImageSettings)

    @property
    def muon(self) -> MuonImageSettings | None:
        """How the image around the hardest muon is made, None if events are none; what is not set is the process's."""
        return self._of_process("muon_image", MuonImageSettings)

    @property
    def signal(self) -> str | None:
        """Whether images are of the signal or of the background, if the process says so."""
        return None if self.process is None else process_named(self.process).signal

    @property
    def jet_class(self) -> str | None:
        """What the leading jets come from, if the process says so."""
        return None if self.process is None else process_named(self.process).jet_class

    @property
    def parts(self) -> list[Self]:
        """The settings of each process of a mixture, which make events in turn; otherwise these settings."""
        mixture = () if self.process is None else process_named(self.process).mixture
        return [self.model_copy(update={"process": name}) for name in mixture] or [self]

    @property
    def room(self) -> int:
        """The largest number of particles in an event."""
        if self.max_particles is not None:
            return self.max_particles
        return MAX_PARTICLES if self.process is None else process_named(self.process).max_particles

    def key_of(self, name: str) -> str:
        """Return Pythia's key of a parameter, from its short name or the key itself."""
        if self.shower == "vincia" and name in VINCIA_NAMES:
            return VINCIA_NAMES[name]
        return SHORT_NAMES.get(name, name)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The drawn parameters, sorted by name, so that the draws do not depend on their order in the settings."""
        return tuple(
            Parameter(name.replace(":", "_"), self.key_of(name), Distribution.parse(self.vary[name]))
            for name in sorted(self.vary)
        )

    def record(self) -> dict[str, Any]:
        """Return the settings for the events' provenance; the trained ranges are in ``vary``, by variable."""
        selections = {
            "leading_jet": self.jet,
            "jet_image": self.image,
            "muon_image": self.muon,
            "multi_jet": self.several_jets,
            "visible": self.visible_particles,
        }
        fields = self.model_dump(mode="json", exclude={"vary", "max_particles", "lhe", "lhe_weights", *selections})
        vary = {name.replace(":", "_"): text for name, text in self.vary.items()}
        fields |= {name: one.model_dump(mode="json") for name, one in selections.items() if one is not None}
        if self.lhe_weights:
            fields["lhe_weights"] = list(self.lhe_weights)
        return {**fields, "vary": vary, "max_particles": self.room, "lhe": self.lhe and self.lhe.name}


@dataclass(frozen=True)
class Parameter:
    """A parameter that is drawn: the variable in events, Pythia's key, and the distribution."""

    variable: str
    key: str
    distribution: Distribution

    @property
    def units(self) -> str:
        """The units, "1" for a number; Pythia does not give units, so other keys are in "Pythia's units"."""
        if self.key in IN_GEV:
            return "GeV"
        return "1" if self.key in (*SHORT_NAMES.values(), *VINCIA_NAMES.values()) else "Pythia's units"


def card_lines(text: str) -> Iterator[str]:
    """Yield the lines of a card as Pythia reads them: no comments, values in braces in one line, no ignored lines.

    Raises
    ------
    ValueError
        if a comment or a brace is not closed.
    """
    open_comment, held, first = False, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if open_comment or stripped.startswith("/*"):
            open_comment = "*/" not in stripped
            continue
        stripped = stripped.split("!")[0].split("#")[0].strip()
        if not held and not stripped[:1].isalnum():
            continue  # as in Pythia, which ignores lines that begin with neither letter nor digit
        first = first if held else number
        held = f"{held} {stripped}".strip()
        if held.count("{") > held.count("}"):
            continue
        if not held.lower().startswith(_NOT_OURS):
            yield held
        held = ""
    if open_comment or held:
        raise ValueError(f"the card ends within {'a comment' if open_comment else f'the braces of line {first}'}")
