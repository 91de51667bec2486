"""Reports: a verdict as a page and as JSON, and pages that compare several verdicts.

>>> import pathlib, tempfile, numpy as np, simulacra
>>> rng = np.random.default_rng(1)
>>> verdict = simulacra.judge_score(rng.normal(size=2000), rng.normal(2, 1, size=500))  # or simulacra.judge
>>> simulacra.reports.write(verdict, pathlib.Path(tempfile.mkdtemp()) / "report").name
'report.html'
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
        from ``simulacra.judge`` or ``simulacra.judge_score``.
    folder:
        created if missing.

    Raises
    ------
    OSError
        if the folder is not writable.
    """
    from simulacra.judges.scores import ScoreVerdict
    from simulacra.reports.report import write_report
    from simulacra.reports.score_page import write_score

    return write_score(verdict, folder) if isinstance(verdict, ScoreVerdict) else write_report(verdict, folder)
