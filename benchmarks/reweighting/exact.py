"""Learned weights against exact ones: Pythia's variations carry the weight of each event and its shower history."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from benchmarks.reweighting.reweighters import MOST, SETTINGS, TRAINING, summary
from benchmarks.reweighting.samples import TRUTHS, events

from simulacra.pages import write_page
from simulacra.pages.figures import calibration_figure
from simulacra.reweighting.exact import check_exact
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import judge_reweighter
from simulacra.reweighting.reweighter import Reweighter
from simulacra.variations import variation_ratios, variation_variable, variation_weights

#: one-loop running with five flavours: the alphaS(M_Z) whose coupling at 0.7 mu is that of 0.1365 at mu
FACTOR, DEFAULT_ALPHA_S = 0.7, 0.1365
BETA_0: Final = (33 - 2 * 5) / (12 * math.pi)
ALPHA_S_UP: Final = 1 / (1 / DEFAULT_ALPHA_S + BETA_0 * math.log(FACTOR**2))
VARIATIONS: Final = {
    "alphaS_up": {"alphaS": ALPHA_S_UP},
    "aLund_up": {"aLund": TRUTHS["aLund"]},
    "strange_up": {"probStoUD": TRUTHS["probStoUD"]},
}


def against_continuous(folder: Path, model: str) -> dict[str, Any]:
    """Compare the continuous reweighter's weights with the exact ones of each variation, and their closures."""
    reweighter = Reweighter.load(model)
    sample = events(folder, "variations")
    embedded = reweighter.embed(sample)
    found: dict[str, Any] = {}
    (folder / "figures").mkdir(exist_ok=True)
    for name, parameters in VARIATIONS.items():
        exact = variation_ratios(sample, f"variation_{name}")
        learned = reweighter.weights_of(embedded, parameters)
        check = check_exact(learned, exact / exact.mean())
        (folder / "figures" / f"exact-{name}.svg").write_bytes(
            calibration_figure(check.learned, check.exact, check.error, logarithmic=True, label=f"{name}, exact")
        )
        found[name] = {
            "parameters": parameters,
            "mean_exact": float(exact.mean()),
            "mean_exact_error": float(exact.std() / math.sqrt(len(exact))),
            "slope": check.slope,
            "slope_error": check.slope_error,
            "chi_square": check.chi_square,
            "degrees_of_freedom": check.degrees_of_freedom,
            "p_value": check.p_value,
            "explained_share": check.explained_share,
        }
    return found


def trained_on_exact(folder: Path, scale: float) -> dict[str, Any]:
    """Train on a target that is one half of the sample with its exact weights; the source is the other half."""
    most = round(MOST * scale)
    sample = events(folder, "variations", most)
    half = most // 2
    source, target = sample.isel(event=slice(0, half)), sample.isel(event=slice(half, most))
    weighted = target.assign(weight=variation_variable(variation_weights(target, "variation_alphaS_up"), "alphaS_up"))
    settings = SETTINGS.model_copy(
        update={"training": TRAINING.model_copy(update={"steps": max(100, round(TRAINING.steps * scale))})}
    )
    run = folder / "runs" / "exact"
    reweighter = fit_reweighter(source, weighted, settings, run, name="exact", seed=6, progress=False)
    judgement = judge_reweighter(
        reweighter,
        source,
        weighted,
        labels=("default Pythia", "exact weights of muR x 0.7"),
        exact="variation_alphaS_up",
        run=run,
        seed=7,
    )
    page = judgement.page()
    write_page(folder / "pages" / "reweight-exact", page)
    check = judgement.exact
    assert check is not None
    exact = {
        name: getattr(check, name) for name in ("slope", "slope_error", "chi_square", "degrees_of_freedom", "p_value")
    }
    return {**summary(judgement), "headline": page.headline, "outcome": page.outcome, "exact": exact}
