"""Judges: differences of generated events from the truth, and the uses that they are good enough for."""

from simulacra.judges.criteria import Criterion, Use
from simulacra.judges.finding import Finding
from simulacra.judges.judging import judge
from simulacra.judges.kinds.find import USES
from simulacra.judges.samples import JudgeError
from simulacra.judges.verdict import Verdict

__all__ = ["USES", "Criterion", "Finding", "JudgeError", "Use", "Verdict", "judge"]
