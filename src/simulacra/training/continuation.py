"""Where a run stands, written so that the same command goes on from there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from simulacra.training import checkpoint
from simulacra.training.settings import TrainingSettings

KEPT: Final = ("identity", "family", "optimizers", "rng", "torch_rng", "progression")


@dataclass
class Progression:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0
    best_step: int = 0
    best_score: float = math.inf
    validations_since_best: int = 0

    def judge(self, score: float) -> None:
        """Take note of a validation."""
        if score < self.best_score:
            self.best_score, self.best_step, self.validations_since_best = score, self.step, 0
        else:
            self.validations_since_best += 1

    def exhausted(self, settings: TrainingSettings) -> bool:
        """Return whether patience ran out."""
        return settings.patience is not None and self.validations_since_best >= settings.patience


def save_run(
    run: Path,
    identity: Mapping[str, Any],
    family: nn.Module,
    optimizers: Mapping[str, Any],
    rng: torch.Generator,
    progression: Progression,
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
            "progression": vars(progression).copy(),
        },
    )


def resume_run(
    run: Path,
    identity: Mapping[str, Any],
    family: nn.Module,
    optimizers: Mapping[str, Any],
    rng: torch.Generator,
    progression: Progression,
) -> None:
    """Take up the state of a run where there is one; seed torch where there is none.

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
            f"{path} is not the state of a run, it lacks {lacking}: remove it to start anew"
        )
    before = json.loads(state["identity"])
    if before != identity:
        changed = _differences(before["settings"], identity["settings"])
        what = f"other settings ({'; '.join(changed)})" if changed else "other training events"
        raise checkpoint.CheckpointError(f"{run} was begun with {what}: choose another folder, or remove it")
    checkpoint.fill(family, state["family"], str(path))
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    rng.set_state(state["rng"])
    torch.set_rng_state(state["torch_rng"])
    vars(progression).update(state["progression"])


def truncate_metrics(path: Path, step: int) -> None:
    """Drop rows that a killed run wrote after its last checkpoint: they will be written again."""
    if not path.exists():
        return
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    kept = [line for line in rows if json.loads(line)["step"] <= step]
    checkpoint.write_atomically(path, "".join(line + "\n" for line in kept).encode())


def _differences(before: Any, now: Any, place: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        return [
            line for key in keys for line in _differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
        ]
    return [] if before == now else [f"{place}: {before} then, {now} now"]
