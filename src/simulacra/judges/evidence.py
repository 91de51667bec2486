"""What the judges leave for the figures of a report, beside their findings."""

from __future__ import annotations

from dataclasses import dataclass

from simulacra.judges.classifiers.corrected import Correction
from simulacra.judges.classifiers.failures import FailureMap
from simulacra.judges.distances.conditional import ConditionalEvidence
from simulacra.judges.distances.multivariate import Multivariate
from simulacra.judges.generalisation.ensembles import EnsembleEvidence
from simulacra.judges.generalisation.memorisation import Memorisation
from simulacra.judges.generalisation.mode_coverage import ModeEvidence
from simulacra.judges.generalisation.statistical_power import PowerEvidence
from simulacra.judges.learning_curves import LearningCurves


@dataclass(frozen=True)
class Evidence:
    """What each judge leaves; None where there was nothing to judge, or what it needs was not given."""

    multivariate: Multivariate | None = None
    failures: FailureMap | None = None
    correction: Correction | None = None
    conditional: ConditionalEvidence | None = None
    modes: ModeEvidence | None = None
    memorisation: Memorisation | None = None
    power: PowerEvidence | None = None
    ensemble: EnsembleEvidence | None = None
    learning_curves: LearningCurves | None = None
