"""The progress of a run, saved so that the same command can continue it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from simulacra.statistics.validation import error_of_difference
from simulacra.training import checkpoint
from simulacra.training.devices import without_places
from simulacra.training.settings import Experiment, TrainingSettings

#: number of different settings that an error names
NAMED: Final = 5
KEPT: Final = ("identity", "family", "optimizers", "rng", "torch_rng", "progression")


@dataclass
class Progression:
    """The progress of a run.

    The best checkpoint is that of the lowest validated score. Patience uses *progress*: a score that is below the one
    at the last progress by more than the error of their difference
    (:func:`~simulacra.statistics.validation.error_of_difference`), so a run does not continue because of fluctuations.
    Small steps in the right direction add up, because they are compared with the last progress and not with each other.

    Attributes
    ----------
    step, seconds:
        so far.
    best_step, best_score:
        of the lowest validated score.
    progress_step, progress_score, progress_replicates:
        of the last progress; the replicates belong to its score.
    validations_since_progress:
        number of validations counted for patience.
    alarmed:
        whether the last validation raised an alarm.
    """

    step: int = 0
    seconds: float = 0.0
    best_step: int = 0
    best_score: float = math.inf
    progress_step: int = 0
    progress_score: float = math.inf
    progress_replicates: list[float] = field(default_factory=list)
    validations_since_progress: int = 0
    alarmed: bool = False

    def judge(self, score: float, replicates: Sequence[float] = ()) -> None:
        """Record a validation's score and its bootstrap replicates, (R,); without these any decrease counts."""
        if score < self.best_score:
            self.best_score, self.best_step = score, self.step
        error = error_of_difference(self.progress_replicates, replicates)
        if self.progress_score - score > error:
            self.progress_score, self.progress_step = score, self.step
            self.progress_replicates, self.validations_since_progress = list(replicates), 0
        else:
            self.validations_since_progress += 1

    def exhausted(self, settings: TrainingSettings) -> bool:
        """Return whether patience ran out."""
        return settings.patience is not None and self.validations_since_progress >= settings.patience

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state.

        States of earlier versions hold only the best validation; it is used as the last progress, without replicates.
        """
        filled = dict(state)
        if "validations_since_best" in state:
            filled["validations_since_progress"] = filled.pop("validations_since_best")
            filled |= {"progress_step": state["best_step"], "progress_score": state["best_score"]}
        if unknown := set(filled) - set(vars(self)):
            raise checkpoint.CheckpointError(
                f"the run's state holds {sorted(unknown)}, which this version does not know: continue with the version "
                "that began it, or start again"
            )
        vars(self).update(filled)


class OtherRunError(checkpoint.CheckpointError):
    """The folder belongs to a run with other settings or events.

    Attributes
    ----------
    changed:
        settings then and now, by name; empty if the events are others.
    """

    def __init__(self, run: Path, changed: Mapping[str, tuple[Any, Any]]) -> None:
        self.changed = dict(changed)
        # Settings that exist only then or now follow from another choice, and so do most inner ones.
        order = sorted(changed, key=lambda name: (None in changed[name], name == "name", name.count(".")))
        told = [f"{name}: {_short(changed[name][0])} then, {_short(changed[name][1])} now" for name in order[:NAMED]]
        more = [f"and {len(order) - NAMED} more"] if len(order) > NAMED else []
        what = f"other settings ({'; '.join(told + more)})" if told else "other training events"
        super().__init__(f"{run} was started with {what}: choose another folder, or remove it")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def save_run(
    run: Path,
    identity: Mapping[str, Any],
    family: nn.Module,
    optimizers: Mapping[str, Any],
    rng: torch.Generator,
    progression: Progression,
    snapshots: Sequence[Mapping[str, Tensor]] = (),
) -> None:
    """Write the whole state of a run, with the settings and the data that it belongs to."""
    checkpoint.save_state(
        run / "resume.pt",
        {
            "identity": json.dumps(identity, sort_keys=True),
            "family": family.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
            "rng": rng.get_state(),
            "torch_rng": torch.get_rng_state(),
            "progression": copy.deepcopy(vars(progression)),
            "snapshots": [dict(snapshot) for snapshot in snapshots],
        },
    )


def resume_run(
    run: Path,
    identity: Mapping[str, Any],
    family: nn.Module,
    optimizers: Mapping[str, Any],
    rng: torch.Generator,
    progression: Progression,
    snapshots: list[dict[str, Tensor]],
) -> None:
    """Restore the state of a run if there is one; otherwise seed torch.

    Raises
    ------
    CheckpointError
        if it is damaged, or belongs to other settings or data.
    """
    path = run / "resume.pt"
    if not path.exists():
        torch.manual_seed(identity["settings"]["seed"])
        return
    state = checkpoint.read_state(path)
    if lacking := [key for key in KEPT if key not in state]:
        raise checkpoint.CheckpointError(
            f"{path} is not the state of a run, it lacks {lacking}: remove it to start again"
        )
    before = _completed(json.loads(state["identity"]))
    then, now = without_places(before), without_places(identity)
    if then != now:
        raise OtherRunError(run, _differences(then["settings"], now["settings"]))
    checkpoint.fill(family, state["family"], str(path))
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    rng.set_state(state["rng"])
    torch.set_rng_state(state["torch_rng"])
    progression.restore(state["progression"])
    # States from before there were snapshots hold none, and their settings ask for none.
    snapshots[:] = state.get("snapshots", [])


def truncate_metrics(path: Path, step: int) -> None:
    """Drop rows that a killed run wrote after its last checkpoint: they will be written again."""
    if not path.exists():
        return
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    kept = [line for line in rows if json.loads(line)["step"] <= step]
    checkpoint.write_atomically(path, "".join(line + "\n" for line in kept).encode())


def _completed(identity: dict[str, Any]) -> dict[str, Any]:
    """Return an identity with the defaults of settings that did not exist when the run was begun."""
    from pydantic import ValidationError

    try:
        settings = Experiment.model_validate(identity["settings"])
    except ValidationError:
        # Settings of another version: the error names each difference.
        return identity
    return identity | {"settings": json.loads(settings.model_dump_json())}


def _differences(before: Any, now: Any, place: str = "") -> dict[str, tuple[Any, Any]]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return {} if before == now else {place: (before, now)}
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*before, *now}):
        found |= _differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    return found
