"""Keep the numbers of a verdict beside the model that was judged, for its card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simulacra.version import __version__
from simulacra.workflows.judged_events import is_generator

if TYPE_CHECKING:
    from simulacra.judges.scores import ScoreVerdict
    from simulacra.judges.verdict import Verdict
    from simulacra.trained import TrainedScore
    from simulacra.trained.judged_file import JudgedRecord


def keep_judged(verdict: Verdict, generated: Sequence[str], *, command: str, truth: str) -> Path | None:
    """Write the numbers of a verdict beside the judged model, with the hash of its weights.

    Parameters
    ----------
    generated:
        what was judged: one model, or the folder of an ensemble.
    command, truth:
        the command and the true events, in words.

    Returns
    -------
    Path or None
        the file; None for events, several models and shipped models.

    Raises
    ------
    simulacra.trained.judged_file.JudgedFileError
        if the file is damaged or cannot be written.
    """
    from simulacra.trained import load_members

    if len(generated) != 1 or not is_generator(generated[0]):
        return None
    members = load_members(generated[0])
    path = members[0].path if len(members) == 1 else Path(generated[0])
    return _added(path, _record(verdict, tuple(member.weights_sha256 for member in members), command, truth))


def keep_judged_score(verdict: ScoreVerdict, score: TrainedScore, command: str) -> Path | None:
    """Write the numbers of a verdict on a trained score beside its file; see :func:`keep_judged`."""
    from simulacra.trained.judged_file import JudgedNumber, JudgedRecord

    numbers = [
        JudgedNumber(
            name=f"{one.judge.replace('_', ' ')}{f' ({one.region})' if one.region else ''}",
            value=one.value,
            error=one.uncertainty,
            truth=one.truth_value,
            truth_error=one.truth_uncertainty,
        )
        for one in verdict.findings
    ]
    sizes = ", ".join(f"{n:,} of the {name}" for name, n in verdict.sizes.items())
    record = JudgedRecord(
        command=command,
        weights=(score.weights_sha256,),
        truth=sizes,
        headline=verdict.headline,
        version=__version__,
        numbers=tuple(numbers),
    )
    return _added(score.path, record)


def _added(model: Path, record: JudgedRecord) -> Path | None:
    from simulacra.trained.find import WEIGHTS
    from simulacra.trained.judged_file import add_judged, judged_file

    if model.resolve().is_relative_to(WEIGHTS.resolve()):
        return None
    add_judged(judged_file(model), record)
    return judged_file(model)


def _record(verdict: Verdict, weights: tuple[str, ...], command: str, truth: str) -> JudgedRecord:
    from simulacra.trained.judged_file import JudgedNumber, JudgedRecord

    numbers = [
        JudgedNumber(
            name=one.criterion.title,
            value=one.finding.value,
            error=one.finding.uncertainty,
            truth=one.finding.truth_value,
            truth_error=one.finding.truth_uncertainty,
            limit=one.criterion.limit,
            outcome=one.outcome,
        )
        for one in verdict.stated.judgements
    ]
    return JudgedRecord(
        command=command,
        weights=weights,
        truth=truth,
        events=min(verdict.n_truth, verdict.n_generated),
        headline=verdict.headline,
        version=__version__,
        numbers=tuple(numbers),
    )
