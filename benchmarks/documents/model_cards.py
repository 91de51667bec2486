"""The judged numbers of the shipped models, in a file beside each: what ``simulacra info`` shows of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmarks.documents import calochallenge
from benchmarks.documents.showers import ROWS, finding
from benchmarks.reweighting.tables import TARGETS

from simulacra.trained.find import WEIGHTS, shipped
from simulacra.trained.judged_file import JudgedNumber, JudgedRecord, judged_file, text_of

#: the benchmarks whose stages have rows of models, and what precedes a model's name in their rows
STAGED: Final = ("jets", "sky")
FOREGOING: Final = re.compile(r"^taggers of top quarks, trained on ")
#: the command of each record of the front
SHOWERS: Final = {
    "showers": "make bench-showers",
    "showers-any-direction": 'make bench-showers ARGS="--list benchmarks/showers/any_direction.toml"',
}
INPUTS: Final = {"low_level": "AUC on cells", "shapes": "AUC on shapes"}


def files(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the file of judged numbers of each shipped model that was judged, by its path in the package."""
    made: dict[str, list[JudgedRecord]] = {}
    showers = (record for name in SHOWERS for record in _showers(found[name], SHOWERS[name]))
    named = (
        *_staged(found),
        *_calogan(found["calogan"]),
        *showers,
        *calochallenge.cards(found),
        _stars(found["sky"]["streams"]),
    )
    for name, record in named:
        made.setdefault(name, []).append(record)
    texts = {judged_file(WEIGHTS / f"{name}.safetensors"): text_of(made[name]) for name in shipped() if name in made}
    ratios = _reweighting(found["reweighting"])
    texts |= {judged_file(WEIGHTS / "reweighters" / f"{n}.safetensors"): text_of([one]) for n, one in ratios.items()}
    return {path.relative_to(WEIGHTS.parents[2]).as_posix(): text for path, text in texts.items()}


def _staged(found: Mapping[str, Any]) -> Iterator[tuple[str, JudgedRecord]]:
    for benchmark in STAGED:
        for stage, result in found[benchmark].items():
            for row in result["rows"]:
                numbers = tuple(
                    JudgedNumber(
                        name=f"{one['name']} (n = {one['events']:,})",
                        value=one["value"],
                        error=one["error"],
                        truth=one["truth"],
                        truth_error=one["truth_error"],
                    )
                    for one in row["judged"]
                )
                yield (
                    FOREGOING.sub("", row["model"]),
                    JudgedRecord(
                        command=f'make bench-{benchmark} ARGS="--only {stage}"',
                        weights=tuple(filter(None, [row.get("weights_sha256")])),
                        truth="unseen true events",
                        numbers=numbers,
                    ),
                )


def _stars(found: Mapping[str, Any]) -> tuple[str, JudgedRecord]:
    """Return what was said of the score of stars, whose numbers are in sentences."""
    score = found["score"]
    return (
        "gd1-via-machinae",
        JudgedRecord(
            command='make bench-sky ARGS="--only streams"',
            truth=f"{score['background']:,} stars of the background and {score['signal']:,} of the stream",
            headline=f"{score['headline']} {score['summary']}",
            numbers=(),
        ),
    )


def _calogan(found: Mapping[str, Any]) -> Iterator[tuple[str, JudgedRecord]]:
    for name, record in found.items():
        numbers = []
        for title, judge, observable, scale in ROWS:
            one = finding(record, judge, observable)
            if one is None:
                continue
            truth = None if one["truth_value"] is None else scale * one["truth_value"]
            spread = None if one["truth_uncertainty"] is None else scale * one["truth_uncertainty"]
            numbers.append(
                JudgedNumber(
                    name=title,
                    value=scale * one["value"],
                    error=scale * one["uncertainty"],
                    truth=truth,
                    truth_error=spread,
                )
            )
        sizes = [record["samples"][sample]["events"] for sample in ("truth", "generated")]
        yield (
            name,
            JudgedRecord(
                command="make bench-calogan",
                truth="the test part of Geant4's showers",
                events=min(sizes),
                headline=record["verdict"]["headline"],
                version=record["samples"]["generated"]["simulator_version"],
                numbers=tuple(numbers),
            ),
        )


def _showers(found: Mapping[str, Any], command: str) -> Iterator[tuple[str, JudgedRecord]]:
    for particle in found["particles"].values():
        truth = next(model for model in particle["models"] if model["family"] == "Geant4")
        for model in particle["models"]:
            if model["weights"] is None or model["refiner"] is not None:
                continue
            numbers = [
                JudgedNumber(
                    name=title,
                    value=model["auc"][what]["auc"],
                    error=model["auc"][what]["error"],
                    truth=truth["auc"][what]["auc"],
                    truth_error=truth["auc"][what]["error"],
                )
                for what, title in INPUTS.items()
            ]
            further = ("frechet_physics_distance", "coverage", "density")
            numbers += [
                JudgedNumber(
                    name=name.replace("_", " "),
                    value=model[name]["value"],
                    error=model[name]["uncertainty"],
                    truth=model[name]["truth_value"],
                    truth_error=model[name]["truth_uncertainty"],
                )
                for name in further
                if model.get(name)
            ]
            yield (
                model["weights"],
                JudgedRecord(
                    command=command,
                    weights=tuple(filter(None, [model.get("weights_sha256")])),
                    truth=particle["truth"],
                    events=particle["showers"],
                    version=found["versions"]["simulacra"],
                    numbers=tuple(numbers),
                ),
            )


def _reweighting(found: Mapping[str, Any]) -> dict[str, JudgedRecord]:
    """Return each reweighter's numbers: the closures of its weights, or the biases of the fits behind a detector."""
    numbers = {"particle": _closures(found["stages"]), "detector": _biases(found["stages"])}
    return {
        found["models"][level]: JudgedRecord(
            command="make bench-reweighting",
            truth="Pythia with other parameters",
            version=found["versions"]["simulacra"],
            numbers=tuple(of_level),
        )
        for level, of_level in numbers.items()
    }


def _closures(stages: Mapping[str, Any]) -> Iterator[JudgedNumber]:
    for name, stage in stages.items():
        kind, _, target = name.partition("-")
        if kind == "continuous":
            second = next(one for one in stage["second"] if one["name"] == "all particles")
            yield JudgedNumber(
                name=f"AUC of a second classifier, weighted to {TARGETS[target]} (n = {stage['events']:,})",
                value=second["auc"],
                error=second["uncertainty"],
                truth=second["truth_auc"],
                truth_error=second["truth_uncertainty"],
            )


def _biases(stages: Mapping[str, Any]) -> Iterator[JudgedNumber]:
    for name, stage in stages.items():
        if not name.startswith("fit-detector-"):
            continue
        fits = stage["nested"].get("calibrated") or stage["nested"]["as_fitted"]
        together = ", fitted together" if len(fits["truths"]) > 1 else ""
        for parameter in fits["truths"]:
            one = fits[parameter]
            size = f"{one['experiments']} fits of {stage['nested']['events']:,} events"
            yield JudgedNumber(
                name=f"bias of {parameter}{together} ({size})",
                value=one["bias"],
                error=one["bias_error"],
            )
