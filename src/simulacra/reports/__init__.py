"""Reports: a verdict as a page to read and as JSON, and pages that set several verdicts beside each other.

>>> import simulacra
>>> verdict = simulacra.judge(truth, generated)  # doctest: +SKIP
>>> simulacra.reports.write(verdict, "report")  # doctest: +SKIP
PosixPath('report/report.html')
"""

from simulacra.reports.record import record_of
from simulacra.reports.report import write

__all__ = ["record_of", "write"]
