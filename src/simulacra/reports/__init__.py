"""Reports: a verdict as a page to read and as JSON, and pages that set several verdicts beside each other.

>>> import simulacra
>>> verdict = simulacra.judge(truth, generated)  # doctest: +SKIP
>>> simulacra.reports.write(verdict, "report")  # doctest: +SKIP
PosixPath('report/report.html')
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from simulacra.reports.record import record_of

if TYPE_CHECKING:
    from simulacra.judges import Verdict
    from simulacra.judges.scores import ScoreVerdict

__all__ = ["record_of", "write"]


def write(verdict: Verdict | ScoreVerdict, folder: str | os.PathLike[str]) -> Path:
    """Write ``report.json`` and ``report.html``, each whole or not at all, and return the page's path.

    Parameters
    ----------
    verdict:
        of ``simulacra.judge`` or ``simulacra.judge_score``.
    folder:
        made if it is not there.

    Raises
    ------
    OSError
        if the folder cannot be written to.
    """
    from simulacra.judges.scores import ScoreVerdict
    from simulacra.reports.report import write_report
    from simulacra.reports.score_page import write_score

    return write_score(verdict, folder) if isinstance(verdict, ScoreVerdict) else write_report(verdict, folder)
