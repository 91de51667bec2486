"""One simulation into another: trained reweighters, and the continuous one, against the same targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from benchmarks.reweighting.samples import THREE, TRUTHS, events

from simulacra.pages import write_page
from simulacra.reweighting.fitting import fit_reweighter
from simulacra.reweighting.judgement import Judgement, judge_reweighter
from simulacra.reweighting.reweighter import Reweighter
from simulacra.reweighting.settings import ReweighterSettings
from simulacra.training.settings import TrainingSettings

TRAINING: Final = TrainingSettings(
    steps=3000,
    batch_size=512,
    learning_rate=2e-3,
    betas=(0.9, 0.999),
    final_learning_rate=0.01,
    validate_every=300,
    checkpoint_every=500,
    threads=1,
    accelerator="cpu",
)
SETTINGS: Final = ReweighterSettings.model_validate(
    {
        "network": {"kind": "particle_flow", "particle_widths": (64, 64), "event_widths": (64,)},
        "training": TRAINING,
    }
)
#: events of each sample: 70 % for training, 10 % for model choice and calibration, 20 % for judging
MOST: Final = 120_000
TARGETS: Final = {
    "vincia": "Vincia",
    "alphaS": "alphaS 0.160",
    "aLund": "aLund 0.800",
    "probStoUD": "probStoUD 0.275",
    "three": "all three shifted",
    "everywhere": "sigmaPT 0.345 (small everywhere)",
    "corner": "Pythia without matrix-element corrections (in a corner)",
}
#: parameters of the targets that the continuous reweighter covers
PARAMETERS: Final = {**{name: {name: value} for name, value in TRUTHS.items()}, "three": THREE}


def train_and_judge(folder: Path, name: str, scale: float) -> dict[str, Any]:
    """Train a reweighter from default Pythia to a target and judge it on events not used in training."""
    most = round(MOST * scale)
    source, target = events(folder, "default", most), events(folder, name, most)
    settings = SETTINGS
    if scale < 1:
        training = TRAINING.model_copy(update={"steps": max(100, round(TRAINING.steps * scale))})
        settings = SETTINGS.model_copy(update={"training": training})
    run = folder / "runs" / name
    reweighter = fit_reweighter(source, target, settings, run, name=name, seed=3, progress=False)
    judgement = judge_reweighter(reweighter, source, target, labels=("default Pythia", TARGETS[name]), run=run, seed=4)
    page = judgement.page()
    write_page(folder / "pages" / f"reweight-{name}", page)
    return {
        **summary(judgement),
        "headline": page.headline,
        "outcome": page.outcome,
        "training": reweighter.training,
        "warnings": reweighter.description["warnings"],
    }


def judge_continuous(folder: Path, name: str, model: str, scale: float) -> dict[str, Any]:
    """Judge the continuous reweighter on events of a target that was not used in its training."""
    most = round(MOST * scale)
    reweighter = Reweighter.load(model)
    judgement = judge_reweighter(
        reweighter,
        events(folder, "default", most),
        events(folder, name, most),
        parameters=PARAMETERS[name],
        labels=("default Pythia", f"{TARGETS[name]} (continuous weights)"),
        trees=False,
        run=folder / "runs" / f"continuous-{name}",
        seed=5,
    )
    page = judgement.page()
    write_page(folder / "pages" / f"continuous-{name}", page)
    return {**summary(judgement), "headline": page.headline, "outcome": page.outcome}


def summary(judgement: Judgement) -> dict[str, Any]:
    """Return the numbers of a judgement."""
    return {
        "events": len(judgement.embedded),
        "effective_share": judgement.summary.effective_share,
        "largest_weight": judgement.summary.largest,
        "closure": {
            closure.observable: {
                "before": closure.before.reduced,
                "after": closure.after.reduced,
                "degrees_of_freedom": closure.after.degrees_of_freedom,
                "p_value": closure.after.p_value,
                "truth": closure.truth,
                "truth_spread": closure.truth_spread,
                "closes": closure.closes,
                **(
                    {"trees": judgement.trees[k].after.reduced, "trees_p_value": judgement.trees[k].after.p_value}
                    if judgement.trees
                    else {}
                ),
            }
            for k, closure in enumerate(judgement.closures)
        },
        "second": [vars(one) for one in judgement.second],
        "reliability": {
            name: {"error": r.expected_calibration_error, "null": r.null, "null_spread": r.null_spread}
            for name, r in judgement.reliability.items()
        },
        "gaps": len(judgement.support.regions),
    }
