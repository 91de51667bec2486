"""Several generators judged against the same truth: their headline numbers, ranked only beyond errors.

Two generators are different if their values differ by more than any two equal generators would: the threshold is at 5 %
for all pairs together (Šidák). The errors of both are added in quadrature. Both were judged against the same truth
events, so parts of the errors cancel in the difference, and the ranking is conservative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from simulacra.judges.headlines import AUC, HEADLINES, Headline, Number, what_of
from simulacra.judges.kinds.find import KINDS
from simulacra.wording import listed, with_error

if TYPE_CHECKING:
    from simulacra.judges.published_results import Published
    from simulacra.judges.verdict import Verdict

FALSE_ALARM: Final = 0.05
#: inputs of classifiers that use the whole event
ALL_OF_AN_EVENT: Final = frozenset(what for kind in KINDS.values() for _, what in kind.classifiers)
Front = Literal["on the front", "within errors", "off the front"]


@dataclass(frozen=True)
class Contender:
    """A generator: its outcome, headline numbers, and time per event [ms], None if unknown."""

    name: str
    outcome: str
    headline: str
    n_generated: int
    numbers: Mapping[str, Number | None]
    milliseconds: float | None


@dataclass(frozen=True)
class Ranking:
    """The order by one headline number.

    Attributes
    ----------
    ranks:
        for each generator with this number, one more than the number of generators that are better beyond errors.
    ties:
        pairs whose difference is within errors, with the difference and its error.
    """

    ranks: Mapping[str, int]
    ties: tuple[tuple[str, str, float, float], ...]

    @property
    def first(self) -> tuple[str, ...]:
        """The generators of rank 1."""
        return tuple(name for name, rank in self.ranks.items() if rank == 1)


@dataclass(frozen=True)
class Comparison:
    """Generators judged against the same truth.

    Attributes
    ----------
    use:
        the use of the outcomes, in words.
    headlines:
        the numbers for the comparison.
    truth, truth_milliseconds:
        the values for truth against truth, and the time per event of its simulator, None if unknown.
    rankings:
        by the key of each headline used for ranking.
    fronts:
        for each AUC, whether a generator with a known cost is on the front of quality against cost: all others at no
        higher cost have a higher AUC, beyond errors; "within errors" if this is not significant.
    sigmas:
        threshold of a difference in standard deviations.
    published:
        results to draw in the same figure.
    """

    use: str
    seed: int
    truth_label: str
    n_truth: int
    headlines: tuple[Headline, ...]
    truth: Mapping[str, Number | None]
    truth_milliseconds: float | None
    generators: tuple[Contender, ...]
    rankings: Mapping[str, Ranking]
    fronts: Mapping[str, Mapping[str, Front]]
    sigmas: float
    warnings: tuple[str, ...] = ()
    published: Published | None = field(default=None)

    @property
    def main(self) -> Headline:
        """The number for the ranking: the AUC on the whole event, or else the first number that all have."""
        complete = [h for h in self.headlines if len(self.rankings.get(h.key, _NONE).ranks) == len(self.generators)]
        ranked = complete or [h for h in self.headlines if self.rankings.get(h.key, _NONE).ranks]
        if not ranked:
            raise ValueError("the verdicts hold no number for the comparison")
        return next((h for h in ranked if h.observable in ALL_OF_AN_EVENT), ranked[0])

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        first = self.rankings[self.main.key].first
        if len(self.generators) == 1:
            return f"Only {first[0]} was judged."
        if len(first) == 1:
            return f"{first[0]} comes closest to {self.truth_label}."
        return f"{listed(first)} come closest to {self.truth_label} and cannot be told apart."

    @property
    def sentences(self) -> list[str]:
        """The rankings and their limits, point by point."""
        said = []
        for headline in self.headlines:
            ranking = self.rankings.get(headline.key, _NONE)
            if len(ranking.ranks) < 2:
                continue
            first = ranking.first
            if len(first) == 1:
                said.append(f"By {headline.title}, {first[0]} is the best beyond errors.")
            else:
                said.append(f"By {headline.title}, {listed(first)} are the best and cannot be told apart.")
        scale = self.main.scale
        said += [
            f"{a} and {b} cannot be told apart by {self.main.title}: they differ by "
            f"{with_error(scale * abs(difference), scale * error)}."
            for a, b, difference, error in self.rankings[self.main.key].ties
        ]
        return said


_NONE: Final = Ranking({}, ())


def compare(
    verdicts: Mapping[str, Verdict],
    costs: Mapping[str, float | None],
    *,
    truth_cost: float | None = None,
    published: Published | None = None,
) -> Comparison:
    """Compare verdicts on several generators, each against the same truth events with the same seed.

    Parameters
    ----------
    verdicts:
        by the generator's name.
    costs:
        seconds per event of each generator [s]; None, NaN or missing if unknown.
    truth_cost:
        seconds per event of the truth's simulator [s].
    published:
        results to draw in the same figure, from ``published_results.read_published``.

    Raises
    ------
    ValueError
        if there is no verdict, a cost is not above 0 or for an unknown generator, the verdicts are on different truths,
        uses or seeds, or hold none of the headline numbers.
    """
    if not verdicts:
        raise ValueError("there is nothing to compare: give at least one verdict")
    strange = sorted(set(costs) - set(verdicts))
    if strange:
        raise ValueError(f"there are costs of {strange}, but only verdicts on {sorted(verdicts)}")
    first = next(iter(verdicts.values()))
    for name, verdict in verdicts.items():
        for what in ("truth_label", "n_truth", "seed", "use"):
            if getattr(verdict, what) != getattr(first, what):
                raise ValueError(
                    f"the verdicts cannot be compared: {what} is {getattr(first, what)!r} for "
                    f"'{next(iter(verdicts))}' and {getattr(verdict, what)!r} for '{name}'; judge all of them again"
                )
    whats = dict.fromkeys(what_of(f) for v in verdicts.values() for f in v.findings if f.judge == AUC and not f.region)
    headlines = (*(Headline(f"auc_{what}", f"AUC on {what}", AUC, what) for what in whats), *HEADLINES)
    generators = tuple(
        Contender(
            name,
            verdict.stated.outcome,
            verdict.headline,
            verdict.n_generated,
            {headline.key: headline.of(verdict.findings) for headline in headlines},
            _milliseconds(costs.get(name), name),
        )
        for name, verdict in verdicts.items()
    )
    headlines = tuple(h for h in headlines if any(g.numbers[h.key] is not None for g in generators))
    sigmas = _threshold(len(generators))
    comparison = Comparison(
        use=first.stated.use.title,
        seed=first.seed,
        truth_label=first.truth_label,
        n_truth=first.n_truth,
        headlines=headlines,
        truth={h.key: _truth_of([g.numbers[h.key] for g in generators]) for h in headlines},
        truth_milliseconds=_milliseconds(truth_cost, "the truth"),
        generators=generators,
        rankings={h.key: _rank(generators, h, sigmas) for h in headlines if h.shows == "value"},
        fronts={h.key: front_of(generators, h.key, sigmas) for h in headlines if h.judge == AUC},
        sigmas=sigmas,
        warnings=_warnings(verdicts),
        published=published,
    )
    _ = comparison.main  # nothing to rank by is an error here, not on the page
    return comparison


def front_of(generators: Sequence[Contender], key: str, sigmas: float) -> dict[str, Front]:
    """Return for each generator with a known cost whether it is on the front of quality against cost.

    It is on the front if all others at no higher cost have a higher AUC, and off the front if one of them has a lower
    AUC, both beyond errors.
    """
    placed = [(g.name, g.milliseconds, n) for g in generators if g.milliseconds and (n := g.numbers[key])]
    found: dict[str, Front] = {}
    for name, cost, number in placed:
        cheaper = [n for other, c, n in placed if other != name and c <= cost]
        excess = [(number.value - n.value) - sigmas * _error(number, n) for n in cheaper]
        short = [(n.value - number.value) - sigmas * _error(number, n) for n in cheaper]
        if any(value > 0 for value in excess):
            found[name] = "off the front"
        else:
            found[name] = "on the front" if all(value > 0 for value in short) else "within errors"
    return found


def _rank(generators: Sequence[Contender], headline: Headline, sigmas: float) -> Ranking:
    sign = 1.0 if headline.best == "low" else -1.0
    having = [(g.name, number) for g in generators if (number := g.numbers[headline.key]) is not None]
    having.sort(key=lambda pair: sign * pair[1].value)
    ranks = {name: 1 for name, _ in having}
    ties = []
    for i, (name, number) in enumerate(having):
        for other, second in having[i + 1 :]:
            difference, error = sign * (second.value - number.value), _error(number, second)
            if difference > sigmas * error:
                ranks[other] += 1
            else:
                ties.append((name, other, difference, error))
    return Ranking(ranks, tuple(ties))


def _error(a: Number, b: Number) -> float:
    return math.hypot(a.uncertainty, b.uncertainty)


def _threshold(n: int) -> float:
    """Return the number of standard deviations within which all pairs of n equal generators are with at least 95 %."""
    from scipy.stats import norm

    pairs = max(1, n * (n - 1) // 2)
    return float(norm.isf((1 - (1 - FALSE_ALARM) ** (1 / pairs)) / 2))


def _truth_of(numbers: Sequence[Number | None]) -> Number | None:
    """Return the value for truth against truth, which was measured for each generator and differs only by chance."""
    known = [n for n in numbers if n is not None and n.truth_value is not None and n.truth_uncertainty is not None]
    if not known:
        return None
    values = np.array([n.truth_value for n in known], dtype=np.float64)
    spread = math.sqrt(float(np.mean([n.truth_uncertainty**2 for n in known if n.truth_uncertainty is not None])))
    return Number(float(values.mean()), math.hypot(spread, float(values.std())), None, None, "")


def _milliseconds(seconds: float | None, of: str) -> float | None:
    if seconds is None or math.isnan(seconds):
        return None
    if not 0 < seconds < math.inf:
        raise ValueError(f"the cost of {of} must be above 0 s per event, not {seconds}; give None if unknown")
    return 1000.0 * seconds


def _warnings(verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    sizes = {name: verdict.n_generated for name, verdict in verdicts.items()}
    warnings = [f"{name}: {text}" for name, verdict in verdicts.items() for text in verdict.warnings]
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {n:,}" for name, n in sizes.items())
        warnings.insert(
            0,
            f"The samples differ in size ({listed}): classifiers see more in larger ones. Judge the same number of "
            "each.",
        )
    return tuple(warnings)
