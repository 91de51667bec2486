"""Learning curves of a run, read from the rows written during training.

``metrics.jsonl`` has one row per validation: step, losses, the score and its error, the step of the last progress, and
the alarm. Rows of earlier versions lack some of these, which are then not drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulacra.wording import with_error

LOSS: Final = "loss/"
ALARM: Final = "modes/alarm"


@dataclass(frozen=True)
class LearningCurves:
    """The course of a training run, one number per validation.

    Attributes
    ----------
    steps:
        number of steps, (V,).
    losses:
        of each player, by its name, (V,); NaN if a row lacks it.
    score, score_error:
        validated score, lowest for the best checkpoint, and its bootstrap error, (V,); NaN if unknown.
    best_step:
        of the lowest score.
    progress_step:
        of the last progress, from which patience counts; None if not recorded.
    alarmed:
        whether the alarm was on, (V,).
    alarms:
        the message at the start of an alarm, by step.
    effective_modes, truth_effective_modes:
        (V,); NaN if not computed.
    damaged:
        numbers of the lines that could not be read, counted from 1.
    """

    steps: np.ndarray
    losses: Mapping[str, np.ndarray]
    score: np.ndarray
    score_error: np.ndarray
    best_step: int
    progress_step: int | None
    alarmed: np.ndarray
    alarms: Mapping[int, str]
    effective_modes: np.ndarray
    truth_effective_modes: np.ndarray
    damaged: tuple[int, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """A description of the curves in words."""
        best = int(np.flatnonzero(self.steps == self.best_step)[0])
        error = float(self.score_error[best])
        score = with_error(float(self.score[best]), error) if math.isfinite(error) else f"{self.score[best]:.4g}"
        kept = (
            f"The best of {len(self.steps)} validations was at step {self.best_step:,} of {int(self.steps[-1]):,}, "
            f"with the score {score}: its weights were kept. No test events were used for this choice."
        )
        said = [kept]
        if self.progress_step is not None and self.progress_step < self.steps[-1]:
            waited = int((self.steps > self.progress_step).sum())
            said.append(
                f"The last improvement larger than its error was at step {self.progress_step:,}; "
                f"patience counted {waited} validation{'s' * (waited > 1)} from there."
            )
        elif self.progress_step is not None:
            said.append("At the last validation the score still decreased by more than its error: train longer.")
        if self.alarmed[-1]:
            said.append("The alarm for lost modes was on when training ended.")
        elif self.alarmed[best]:
            said.append("The alarm for lost modes was on at the best checkpoint.")
        elif self.alarmed.any():
            last = int(self.steps[np.flatnonzero(self.alarmed)[-1]])
            said.append(f"The alarm for lost modes was on for the last time at step {last:,}.")
        if self.damaged:
            lines = ", ".join(map(str, self.damaged[:5])) + (", ..." if len(self.damaged) > 5 else "")
            said.append(
                f"{len(self.damaged)} line{'s' * (len(self.damaged) > 1)} of metrics.jsonl could not be read "
                f"({lines}): the curves are drawn without them."
            )
        return said


def learning_curves(run: Path) -> LearningCurves | None:
    """Return the learning curves of a run folder; None if it has no readable row."""
    path = Path(run) / "metrics.jsonl"
    if not path.is_file():
        return None
    return curves_of(path.read_text(encoding="utf-8", errors="replace").splitlines())


def curves_of(rows: Iterable[str | Mapping[str, Any]]) -> LearningCurves | None:
    """Return the learning curves from rows, as mappings or lines of JSON; None if there is no readable row.

    A row without a finite ``step`` and ``score`` counts as damaged. Of two rows of one step the later one is used.
    """
    found: dict[int, Mapping[str, Any]] = {}
    damaged = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, str) and not row.strip():
            continue
        parsed = _parsed(row)
        if parsed is None:
            damaged.append(number)
        else:
            found[int(parsed["step"])] = parsed
    if not found:
        return None
    kept = [found[step] for step in sorted(found)]

    def column(name: str) -> np.ndarray:
        return np.array([_number(row.get(name)) for row in kept])

    names = dict.fromkeys(name for row in kept for name in row if name.startswith(LOSS))
    score, progress = column("score"), column("progress_step")
    return LearningCurves(
        steps=np.array([int(row["step"]) for row in kept]),
        losses={name.removeprefix(LOSS): column(name) for name in names},
        score=score,
        score_error=column("score_error"),
        best_step=int(kept[int(np.argmin(score))]["step"]),
        progress_step=int(progress[-1]) if math.isfinite(progress[-1]) else None,
        alarmed=column(ALARM) == 1,
        alarms={int(row["step"]): str(row["alarm"]) for row in kept if row.get("alarm")},
        effective_modes=column("modes/effective"),
        truth_effective_modes=column("modes/truth_effective"),
        damaged=tuple(damaged),
    )


def _parsed(row: str | Mapping[str, Any]) -> Mapping[str, Any] | None:
    if isinstance(row, str):
        try:
            row = json.loads(row)
        except (ValueError, RecursionError):
            return None
    if not isinstance(row, Mapping) or not all(math.isfinite(_number(row.get(name))) for name in ("step", "score")):
        return None
    return row


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
