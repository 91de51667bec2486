"""What a tagger learns from generated jets, used on real ones: models of tokens exaggerate how far classes differ.

A particle flow network (arXiv:1810.05165) is trained to tell top quarks from gluons and light quarks, once on real jets
and once on equally many generated ones, from several seeds. Its output is the logarithm of the likelihood ratio. All
are judged on the same real jets, and on generated ones: a generator that exaggerates the separation gives a larger area
under the curve on its own jets than on real ones, also to the tagger of real jets. Errors are the spread over seeds.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from benchmarks.jets.clouds import minutes_of, models
from benchmarks.jets.truth import Rows, divided, generated, simulated
from benchmarks.rows import Judged, Row
from benchmarks.stages import run_stage

from simulacra.kinds.jets import PARTICLE_VARIABLES
from simulacra.pages.style import GRID, SERIES, TRUTH, new_figure, svg_of, title
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.settings import ParticleFlowSettings, ReweighterSettings
from simulacra.statistics.significance_improvement import EfficiencyCurve, Weighted, efficiency_curve
from simulacra.training.settings import TrainingSettings
from simulacra.whole_files import write_whole

SIGNAL: Final = "top quark"
BACKGROUND: Final = ("gluon", "light quark")
SEEDS: Final = 3
STEPS: Final = 1500
#: signal efficiencies at which the rejection of the background is given
EFFICIENCIES: Final = (0.3, 0.5)
AREA, OWN, EXCHANGED = "AUC on real jets", "AUC on generated jets", "AUC of a tagger of real jets on generated jets"
CORRELATION: Final = "correlation of log likelihood ratios with a tagger of real jets"
DRAWN: Final = np.linspace(0.1, 0.95, 60)

Scores = list[dict[str, np.ndarray]]


def measure(folder: Path, scale: float) -> dict[str, Any]:
    """Train taggers on real jets and on those of each model, and judge them on real and generated jets."""
    judged = models()
    real = simulated(folder, scale)
    training, test = divided(real["jet_class"].values, scale)[0]
    of_real = _taggers(real, training, scale)
    known = _scores(of_real, real, test)
    chance = _numbers(known) | {CORRELATION: _spread(_correlations(known, None))}
    chance |= dict.fromkeys((OWN, EXCHANGED), chance[AREA])
    found: dict[str, Any] = {"rows": [], "models": {}, "truth": chance, "curves": {"real": _drawn(known)}}
    for model in judged:
        made = generated(model, scale)
        own_training, own_test = divided(made["jet_class"].values, scale, seed=2)[0]

        def numbers(
            *_: Any, made: xr.Dataset = made, own_training: Rows = own_training, own_test: Rows = own_test
        ) -> dict[str, Any]:
            of_made = _taggers(made, own_training, scale)
            on_real = _scores(of_made, real, test)
            here = _numbers(on_real) | {CORRELATION: _spread(_correlations(on_real, known))}
            here[OWN] = _spread([curve.area for curve in _curves(_scores(of_made, made, own_test))])
            here[EXCHANGED] = _spread([curve.area for curve in _curves(_scores(of_real, made, own_test))])
            return {"numbers": here, "curve": _drawn(on_real)}

        here = run_stage(folder, f"tagger-{model.name}-{model.weights_sha256[:8]}", numbers)
        found["models"][model.name], found["curves"][model.name] = here["numbers"], here["curve"]
        row = Row(
            system=model.kind,
            model=f"taggers of top quarks, trained on {model.name}",
            trained_events=int(model.metadata["training"]["events"]),
            training_minutes=minutes_of(model),
            judged=_judged(here["numbers"], chance, sum(len(test[name]) for name in (SIGNAL, *BACKGROUND))),
            microseconds=1e6 * float(made.attrs["seconds_per_event"]),
            microseconds_error=0.0,
            weights_sha256=model.weights_sha256,
        )
        found["rows"].append(asdict(row))
    return found | {"training_jets": sum(len(training[name]) for name in (SIGNAL, *BACKGROUND)), "seeds": SEEDS}


def _taggers(events: xr.Dataset, rows: Rows, scale: float) -> list[Reweighter]:
    """Return taggers from several seeds; the last tenth of the jets chooses each network's best step."""
    signal, background = _of(events, rows[SIGNAL]), _of(events, np.concatenate([rows[name] for name in BACKGROUND]))
    settings = ReweighterSettings(
        network=ParticleFlowSettings(features=PARTICLE_VARIABLES),
        calibration="temperature",
        training=TrainingSettings(
            steps=max(20, round(STEPS * scale)),
            batch_size=512,
            learning_rate=2e-3,
            final_learning_rate=0.01,
            validate_every=max(10, round(STEPS * scale / 6)),
            accelerator="cpu",
        ),
    )
    found = []
    for seed in range(1, SEEDS + 1):
        with tempfile.TemporaryDirectory() as run:
            found.append(
                fit_reweighter(
                    background, signal, settings, Path(run), seed=seed, allow_missing_support=True, progress=False
                )
            )
    return found


def _of(events: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
    """Return the particles of some jets; a tagger does not see class and transverse momentum."""
    return events[[*PARTICLE_VARIABLES, "present"]].isel(event=rows)


def _scores(taggers: Sequence[Reweighter], events: xr.Dataset, rows: Rows) -> Scores:
    """Return each tagger's calibrated log likelihood ratios of signal and background, in natural logarithms."""
    found = []
    for tagger in taggers:
        here = {}
        for name, chosen in (("signal", [SIGNAL]), ("background", BACKGROUND)):
            some = _of(events, np.concatenate([rows[one] for one in chosen]))
            here[name] = np.log(tagger.weights_of(tagger.embed(some), normalise=False))
        found.append(here)
    return found


def _curves(scores: Scores) -> list[EfficiencyCurve]:
    return [
        efficiency_curve(*(Weighted(one[name], np.ones(len(one[name]))) for name in ("background", "signal")))
        for one in scores
    ]


def _numbers(scores: Scores) -> dict[str, tuple[float, float]]:
    """Return the area under the curve and the rejection of the background, with errors over seeds."""
    curves = _curves(scores)
    found = {AREA: _spread([curve.area for curve in curves])}
    for efficiency in EFFICIENCIES:
        found[_rejection(efficiency)] = _spread([1 / curve.background_at(efficiency) for curve in curves])
    return found


def _rejection(efficiency: float) -> str:
    return f"rejection on real jets at {100 * efficiency:.0f} % of the signal"


def _correlations(first: Scores, second: Scores | None) -> list[float]:
    """Return the correlations of taggers' scores of the same jets; of different ones of the first without a second."""
    joined = [
        [np.concatenate([one["signal"], one["background"]]) for one in scores] for scores in (first, second or [])
    ]
    pairs = itertools.product(*joined) if second else itertools.combinations(joined[0], 2)
    return [float(np.corrcoef(one, other)[0, 1]) for one, other in pairs]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _drawn(scores: Scores) -> list[float]:
    """Return the mean rejection over seeds at the drawn signal efficiencies."""
    return np.mean([[1 / max(c.background_at(e), 1e-6) for e in DRAWN] for c in _curves(scores)], axis=0).tolist()


def _judged(
    numbers: Mapping[str, tuple[float, float]], chance: Mapping[str, tuple[float, float]], n: int
) -> tuple[Judged, ...]:
    return tuple(Judged(name, *numbers[name], *chance[name], n, "as with real jets") for name in numbers)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the rejection of real background against the efficiency of real signal, for taggers of each sample."""
    with new_figure(5.2, 3.6) as figure:
        figure.set_facecolor("white")
        axes = figure.subplots()
        axes.plot(DRAWN, found["curves"]["real"], color=TRUTH, linewidth=2.4, label="trained on Pythia's jets")
        for name, colour in zip(found["models"], SERIES, strict=False):
            axes.plot(DRAWN, found["curves"][name], color=colour, linewidth=1.2, label=f"trained on those of {name}")
        axes.set(yscale="log", xlabel="Efficiency of top quarks", ylabel="1 / efficiency of gluons and light quarks")
        axes.grid(color=GRID, linewidth=0.7)
        axes.legend(loc="upper right")
        title(axes, "Taggers on Pythia's jets")
        write_whole(path, svg_of(figure).decode("utf-8"))
