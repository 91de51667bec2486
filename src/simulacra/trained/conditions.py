"""The conditions of a trained model: names, distributions, and checks of values and ranges."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from simulacra.conditions import EMPIRICAL, Choice, Condition, Distribution
from simulacra.trained.blocks import BLOCK, CONDITION, blocks_of, random_numbers

#: between these, a condition is finite and above 0 in single precision
SMALLEST_NORMAL: Final = float(np.finfo(np.float32).tiny)
LARGEST_SINGLE: Final = float(np.finfo(np.float32).max)
LARGEST_WHOLE: Final = 2**24
#: the stream of random numbers that chooses a training event, whose conditions are used together
TOGETHER: Final = 2**20
#: training events from which conditions are drawn that follow another one
NEAREST: Final = 16

Value = float | str | Distribution | Choice | np.ndarray


#: no events are made farther from the trained range: a factor for positive conditions, widths of the range for others
FAR: Final = 100.0
FAR_WIDTHS: Final = 10.0
#: the extremes of a sample are a little inside the range that it comes from: shares of that range
SLACK: Final = {"empirical": 1e-3}


class ExtrapolationWarning(UserWarning):
    """Events were requested at conditions outside the trained range."""


class TrainedConditions:
    """The conditions of a model.

    Parameters
    ----------
    model:
        name of the model in messages.
    declared:
        the system's declaration of each condition, by name.
    description:
        of the model file: ``condition_ranges``, (low, high) of each, in the order of the network's columns, and
        ``condition_distributions``, how the training sample was drawn ("uniform" or "log"), if known.
    empirical:
        conditions of training events, (K,) each, by name; those at one position belong to one event.

    Raises
    ------
    ValueError
        if the file has a condition that the system does not have.
    """

    def __init__(
        self,
        model: str,
        declared: Mapping[str, Condition],
        description: Mapping[str, Any],
        empirical: Mapping[str, np.ndarray],
    ) -> None:
        self.model = model
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in description["condition_ranges"].items()}
        if unknown := [name for name in self.ranges if name not in declared]:
            raise ValueError(f"its system has no condition {unknown}, only {list(declared)}")
        self.declared = {name: declared[name] for name in self.ranges}
        self.empirical = dict(empirical)
        forms = dict(description.get("condition_distributions", {}))
        _refuse_contradictions(self.declared, self.ranges, self.empirical, forms)
        # Files from before distributions were noted: energies were drawn from the logarithm, all others uniformly.
        self._forms = {
            name: str(forms.get(name, "log" if one.positive else "uniform")) for name, one in self.declared.items()
        }

    def __repr__(self) -> str:
        told = (
            f"{name} {' or '.join(one.choices)}"
            if one.kind == "choice"
            else f"{name} {self.ranges[name][0]:g} to {self.ranges[name][1]:g}"
            for name, one in self.declared.items()
        )
        return ", ".join(told) or "no conditions"

    def default(self, name: str) -> str:
        """Return the distribution that a condition has in the training sample, as text."""
        if name in self.empirical:
            return EMPIRICAL
        low, high = self.ranges[name]
        one = self.declared[name]
        if one.kind == "choice":
            return ",".join(one.choices)
        form = "uniform" if one.whole or low <= 0 else self._forms[name]
        return Distribution(form, low, high).exact if low < high else repr(low)  # type: ignore[arg-type]

    def completed(self, asked: Mapping[str, Value]) -> dict[str, Value]:
        """Return the requested conditions, and the training sample's distribution for all others.

        Raises
        ------
        ValueError
            if a condition is unknown.
        """
        if unknown := [name for name in asked if name not in self.ranges]:
            known = ", ".join(one.named(name) for name, one in self.declared.items())
            takes = f"it takes {known}" if known else "it takes none"
            # A part of a name, such as energy, is less like it than difflib's default asks for.
            near = [close[0] for name in unknown if (close := get_close_matches(name, self.ranges, 1, cutoff=0.5))]
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            lacking = " or ".join(f"'{name}'" for name in unknown)
            raise ValueError(f"'{self.model}' has no condition {lacking}; {takes}{hint}")
        return {name: asked[name] if name in asked else self.default(name) for name in self.ranges}

    def parse(self, name: str, text: str) -> Distribution | Choice:
        """Return the distribution in a text, of :meth:`simulacra.conditions.Condition.parse`; of "empirical" the range.

        Raises
        ------
        ValueError
            with the condition's name, if the text is invalid.
        """
        try:
            if text != EMPIRICAL:
                return self.declared[name].parse(text)
            column = self._empirical(name)
            return Distribution("uniform", float(column.min()), float(column.max()))
        except ValueError as error:
            raise ValueError(f"'{name}': {error}") from None

    def _empirical(self, name: str) -> np.ndarray:
        if name not in self.empirical:
            raise ValueError(
                f"'{self.model}' has no values of training events: give a number, uniform:LOW:HIGH or log:LOW:HIGH"
            )
        return self.empirical[name]

    def columns(self, n: int, seed: int, first: int, asked: Mapping[str, Value]) -> dict[str, np.ndarray]:
        """Return each condition of ``n`` events from ``first`` on, (n,) float32, in the order of the network's columns.

        Parameters
        ----------
        asked:
            each condition, from :meth:`completed`: a number, an array (n,), a distribution or its text; for a choice, a
            name, several names, or an array of names.

        Raises
        ------
        ValueError
            if a value is invalid, not finite, or not above 0 although it must be.
        """
        columns: dict[str, np.ndarray] = {}
        # Those that decide others come first.
        order = sorted(enumerate(asked.items()), key=lambda pair: not self.declared[pair[1][0]].decides)
        for i, (name, given) in order:
            value = given
            if isinstance(value, bool | np.bool_):
                raise ValueError(  # noqa: TRY004 - as for any other value
                    f"'{name}' must be a number, an array or a distribution, not {value}"
                )
            if isinstance(value, float | int):
                columns[name] = self._same_for_all(name, value, n, first)
                continue
            if isinstance(value, str):
                value = (
                    self._rows(name, n, seed, first, self._near(asked, columns))
                    if value == EMPIRICAL
                    else self.parse(name, value)
                )
            if isinstance(value, Distribution | Choice):
                drawn = [value.draw(BLOCK, random_numbers(seed, CONDITION, i, b)) for b in blocks_of(first, n)]
                skipped = first % BLOCK
                column = np.concatenate(drawn)[skipped : skipped + n]
                self._refuse_ends(name, value)
            else:
                column = self._given(name, value, n)
            self._refuse(name, column, first)
            columns[name] = column.astype(np.float32)
        return {name: columns[name] for name in asked}

    def _near(self, asked: Mapping[str, Value], columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the training events nearest to what decides other conditions, (n, NEAREST); None if that is drawn."""
        for name, column in columns.items():
            drawn = isinstance(asked[name], str) and asked[name] == EMPIRICAL
            if self.declared[name].decides and not drawn and name in self.empirical:
                kept = np.log(self.empirical[name].astype(np.float64))
                wanted, which = np.unique(np.log(column.astype(np.float64)), return_inverse=True)
                number = min(NEAREST, len(kept))
                # One of many at a time, for the distances of all would not fit.
                nearest = [np.argsort(np.abs(kept - one), kind="stable")[:number] for one in wanted]
                return np.stack(nearest)[which]
        return None

    def _rows(self, name: str, n: int, seed: int, first: int, near: np.ndarray | None) -> np.ndarray:
        """Return a condition of training events drawn at random, (n,): the same events for each condition.

        Parameters
        ----------
        near:
            the training events to draw from for each event, (n, K); any of them if None.
        """
        try:
            kept = self._empirical(name)
        except ValueError as error:
            raise ValueError(f"'{name}': {error}") from None
        many = len(kept) if near is None else near.shape[1]
        draws = [random_numbers(seed, CONDITION, TOGETHER, b).integers(many, size=BLOCK) for b in blocks_of(first, n)]
        skipped = first % BLOCK
        rows = np.concatenate(draws)[skipped : skipped + n]
        rows = rows if near is None else near[np.arange(n), rows]
        return np.asarray(kept[rows], dtype=np.float64)

    def _given(self, name: str, value: Any, n: int) -> np.ndarray:
        if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
            raise ValueError(f"'{name}' is masked in some events: give each event a value")
        try:
            column = np.asarray(value)
        except ValueError:
            column = np.empty((), object)
        # Names from pandas are objects.
        if self.declared[name].kind == "choice" and column.size and all(isinstance(one, str) for one in column.flat):
            try:
                places = [self.declared[name].place_of(str(one)) for one in column.flat]
            except ValueError as error:
                raise ValueError(f"'{name}': {error}") from None
            column = np.array(places).reshape(column.shape)
        if column.dtype.kind not in "iuf":
            raise ValueError(
                f"'{name}' must be a number, an array of numbers or a distribution, not {type(value).__name__}"
                f"{'' if column.dtype.kind == 'O' else f' of {column.dtype}'}"
            )
        column = column.astype(np.float64)
        column = np.full(n, float(column)) if column.ndim == 0 else column
        if column.shape != (n,):
            raise ValueError(f"'{name}' must be a number or an array ({n},), not {column.shape}")
        return column

    def _same_for_all(self, name: str, value: float, n: int, first: int) -> np.ndarray:
        """Return one value of a condition for ``n`` events, (n,) float32, checked like any other."""
        try:
            value = float(value)
        except OverflowError:
            value = np.inf
        least, most = self._reach(name)
        if not (max(SMALLEST_NORMAL, least) < value < min(LARGEST_SINGLE, most)) or self.declared[name].whole:
            self._refuse(name, np.full(n, value), first)
        return np.full(n, value, np.float32)

    def _refuse_ends(self, name: str, drawn: Distribution | Choice) -> None:
        """Refuse a distribution by its ends, so that chance does not decide what is refused (ValueError)."""
        low, high = self.ranges[name]
        if not low <= drawn.low <= drawn.high <= high:
            self._refuse(name, np.array([drawn.low, drawn.high]), 0, f"in '{drawn}'")

    def _refuse(self, name: str, column: np.ndarray, first: int, where: str = "") -> None:
        one, (low, high) = self.declared[name], self.ranges[name]
        with np.errstate(over="ignore", under="ignore"):
            # What the network is given: beyond single precision a number becomes 0 or infinite.
            single = column.astype(np.float32)
        wrong, need = ~np.isfinite(single), "finite"
        if one.whole:
            # Beyond this, single precision skips whole numbers.
            wrong = wrong | (column != np.round(column)) | (np.abs(column) > LARGEST_WHOLE)
            need = f"a whole number of at most {LARGEST_WHOLE}"
        if one.positive:
            wrong, need = wrong | (single <= 0), f"{need} and above 0"
        if one.kind == "choice":
            wrong = wrong | (single < 0) | (single >= len(one.choices))
            need = f"one of {', '.join(one.choices)}, or its position"
        else:
            least, most = self._reach(name)
            if not wrong.any() and (far := (column < least) | (column > most)).any():
                wrong, need = far, f"from {least:g} to {most:g}: farther out the model means nothing"
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            unit = "" if one.units == "1" else f" {one.units}"
            raise ValueError(
                f"'{name}' is {column[i]:g}{unit} {where or f'in event {first + i}'}: it must be {need} "
                f"(trained from {low:g} to {high:g}{unit})"
            )

    def _reach(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value of a condition that is not absurdly far from the trained range."""
        low, high = self.ranges[name]
        if self.declared[name].positive:
            return low / FAR, high * FAR
        beyond = FAR_WIDTHS * (high - low) if high > low and not self.declared[name].whole else np.inf
        return low - beyond, high + beyond

    def asked_ranges(
        self, asked: Mapping[str, Value], columns: Mapping[str, np.ndarray]
    ) -> dict[str, tuple[float, float]]:
        """Return the lowest and the highest value that was asked for of each condition: a distribution's are its ends.

        Parameters
        ----------
        asked, columns:
            each condition as :meth:`columns` takes and returns it.
        """
        found = {}
        for name, column in columns.items():
            value = asked[name]
            if isinstance(value, str) and value != EMPIRICAL:
                value = self.parse(name, value)
            if isinstance(value, Distribution | Choice):
                found[name] = value.low, value.high
            else:
                found[name] = range_of(column)
        return found

    def outside(self, asked: Mapping[str, tuple[float, float]]) -> list[str]:
        """Return a sentence for each condition whose range reaches outside the trained one."""
        found = []
        for name, (lowest, highest) in asked.items():
            low, high = self.ranges[name]
            slack = SLACK.get(self.declared[name].kind, 1e-6) * (high - low)
            if lowest < low - slack or highest > high + slack:
                units = "" if (given := self.declared[name].units) == "1" else f" {given}"
                found.append(
                    f"'{name}' from {lowest:g} to {highest:g}{units} reaches outside the trained range of {low:g} to "
                    f"{high:g}{units}: '{self.model}' extrapolates there, judge it before you trust it"
                )
        return found

    def warn_outside(self, asked: Mapping[str, tuple[float, float]]) -> None:
        """Warn if a range of conditions reaches outside the trained one."""
        for sentence in self.outside(asked):
            warnings.warn(sentence, ExtrapolationWarning, stacklevel=3)


def _refuse_contradictions(
    declared: Mapping[str, Condition],
    ranges: Mapping[str, tuple[float, float]],
    empirical: Mapping[str, np.ndarray],
    forms: Mapping[str, str],
) -> None:
    """Refuse what a file cannot mean by its conditions (ValueError)."""
    if unknown := {*empirical, *forms} - set(ranges):
        raise ValueError(f"it tells how {sorted(unknown)} are distributed, which are none of its conditions")
    if wrong := [name for name, form in forms.items() if form not in ("uniform", "log")]:
        raise ValueError(f"the distribution of '{wrong[0]}' is '{forms[wrong[0]]}', neither uniform nor log")
    for name, (low, high) in ranges.items():
        whole = declared[name].whole and not (low.is_integer() and high.is_integer())
        too_many = declared[name].kind == "choice" and (low, high) != (0, len(declared[name].choices) - 1)
        if low > high or whole or too_many or (declared[name].positive and not 0 <= low <= high != 0):
            raise ValueError(f"'{name}' cannot go from {low:g} to {high:g}")
    shapes = {values.shape for values in empirical.values()}
    if len(shapes) > 1 or any(len(shape) != 1 or not shape[0] for shape in shapes):
        raise ValueError(f"its training events' conditions have the shapes {sorted(shapes)}: one value each is needed")


def stacked(columns: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    """Return conditions as inputs of the network, (n, C); there may be none."""
    if len(columns) == 1:
        return next(iter(columns.values()))[:, None]
    return np.stack(list(columns.values()), axis=1) if columns else np.empty((n, 0), np.float32)


def range_of(column: np.ndarray) -> tuple[float, float]:
    """Return the lowest and the highest value of a condition, (n,)."""
    if len(column) == 1:
        return float(column[0]), float(column[0])
    return float(column.min()), float(column.max())
