from typing import Any

import numpy as np
import pytest

from simulacra.conditions import Condition, Distribution


@pytest.mark.parametrize(
    ("text", "kind", "low", "high"),
    [
        ("50", "fixed", 50, 50),
        ("-2.5", "fixed", -2.5, -2.5),
        ("uniform:1:100", "uniform", 1, 100),
        ("uniform:-3:3", "uniform", -3, 3),
        ("uniform:2:2", "uniform", 2, 2),
        ("log:1e-1:1e2", "log", 0.1, 100),
    ],
)
def test_each_form_is_read_and_written(text: str, kind: str, low: float, high: float) -> None:
    found = Distribution.parse(text)
    assert (found.form, found.low, found.high) == (kind, low, high)
    assert Distribution.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"'' is neither a number \(50\), nor uniform:LOW:HIGH, nor log:LOW:HIGH"),
        ("fifty", "'fifty' is neither"),
        ("uniform:1", "'uniform:1' is neither"),
        ("uniform:1:2:3", "is neither"),
        ("log:a:2", "'log:a:2' is neither"),
        ("gauss:1:2", "'gauss:1:2' is neither"),
        ("uniform:9:1", "'uniform:9:1': the lower bound 9 is above the upper bound 1"),
        ("log:0:5", "'log:0:5': a log-uniform distribution needs a lower bound above 0, not 0"),
        ("log:-1:5", "needs a lower bound above 0, not -1"),
        ("nan", "'nan': bounds must be finite, not nan and nan"),
        ("uniform:1:inf", "bounds must be finite, not 1.0 and inf"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Distribution.parse(text)


def test_a_fixed_value_has_one_bound() -> None:
    with pytest.raises(ValueError, match="a fixed value has one bound, not 1 and 2"):
        Distribution("fixed", 1, 2)


def test_a_fixed_value_is_drawn_exactly() -> None:
    assert Distribution.parse("0.1").draw(3, np.random.default_rng(0)).tolist() == [0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("text", "flatten"),
    [
        ("uniform:-2:6", lambda x: (x + 2) / 8),
        ("log:1:100", lambda x: np.log(x) / np.log(100)),
    ],
)
def test_draws_follow_the_distribution(text: str, flatten) -> None:
    distribution = Distribution.parse(text)
    n = 20_000
    draws = distribution.draw(n, np.random.default_rng(5))
    assert draws.dtype == np.float64
    assert (draws >= distribution.low).all()
    assert (draws <= distribution.high).all()
    # Kolmogorov's distance to a uniform one; a false alarm has probability 1e-4, and the seed is fixed
    steps = np.arange(n + 1) / n
    ordered = np.sort(flatten(draws))
    assert max((ordered - steps[:-1]).max(), (steps[1:] - ordered).max()) < 2.23 / np.sqrt(n)


def test_draws_depend_on_the_generator_alone() -> None:
    distribution = Distribution.parse("log:1:100")
    first = distribution.draw(5, np.random.default_rng(1))
    np.testing.assert_array_equal(first, distribution.draw(5, np.random.default_rng(1)))
    assert (first != distribution.draw(5, np.random.default_rng(2))).all()


CLASS = Condition("1", "what the jet comes from", kind="choice", choices=("gluon", "light quark", "top"))


def test_a_condition_is_named_with_its_unit_or_its_choices() -> None:
    assert CLASS.named("jet") == "jet (gluon or light quark or top)"
    assert Condition("GeV", "energy").named("energy") == "energy [GeV]"
    assert Condition("1", "coupling").named("alphaS") == "alphaS"


NUMBER = Condition("1", "number of collisions", kind="integer", positive=True)


@pytest.mark.parametrize(
    ("condition", "text", "values"),
    [
        (CLASS, "top", {2}),
        (CLASS, "gluon, top", {0, 2}),
        (CLASS, "light_quark", {1}),
        (NUMBER, "5", {5}),
        (NUMBER, "uniform:2:5", {2, 3, 4, 5}),
    ],
)
def test_whole_numbers_and_choices_are_equally_probable(condition: Condition, text: str, values: set[int]) -> None:
    drawn = condition.parse(text)
    numbers, counts = np.unique(drawn.draw(4000, np.random.default_rng(1)), return_counts=True)
    assert set(numbers) == values
    assert (drawn.low, drawn.high) == (min(values), max(values))
    assert np.all(np.abs(counts - 4000 / len(values)) < 5 * np.sqrt(4000 / len(values)))


@pytest.mark.parametrize(
    ("condition", "text", "message"),
    [
        (CLASS, "bottom", "'bottom' is not one of the choices gluon, light quark, top"),
        (CLASS, "uniform:0:1", "not one of the choices"),
        (NUMBER, "2.5", "numbers that are not whole"),
        (NUMBER, "log:1:10", "numbers that are not whole"),
        (NUMBER, "many", "'many' is neither a number"),
    ],
)
def test_what_is_no_whole_number_or_choice_is_refused(condition: Condition, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        condition.parse(text)


def test_a_choice_needs_names_and_nothing_else_has_any() -> None:
    with pytest.raises(ValueError, match="a choice has several names"):
        Condition("1", "class", kind="choice")
    with pytest.raises(ValueError, match="a choice has several names"):
        Condition("1", "number", choices=("a", "b"))
    assert CLASS.attributes == {"flag_values": [0, 1, 2], "flag_meanings": "gluon light_quark top"}


@pytest.mark.parametrize(
    "choices", [None, "ab", ("a", 1), ("1", "0"), ("a", "11"), ("a", "b\nc"), ("a b", "a_b"), ("a", "b,c")]
)
def test_names_that_cannot_be_asked_for_are_refused(choices: Any) -> None:
    with pytest.raises(ValueError, match="'class': the names of a choice are a tuple of different texts of one line"):
        Condition("1", "class", kind="choice", choices=choices)


def test_a_positive_choice_and_too_large_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="'class': a choice cannot be positive"):
        Condition("1", "class", kind="choice", choices=("a", "b"), positive=True)
    for text in ("1e30", "uniform:1:1e30"):
        with pytest.raises(ValueError, match=f"'{text}' has whole numbers beyond"):
            NUMBER.parse(text)


def test_a_distribution_is_read_again_to_the_last_bit() -> None:
    for found in (Distribution("log", 0.1, 1 / 3), Distribution("fixed", 1 / 7, 1 / 7)):
        assert Distribution.parse(found.exact) == found


def test_only_a_positive_number_of_the_sample_can_decide_others() -> None:
    assert Condition("d", "period", kind="empirical", positive=True, decides=True).decides
    for wrong in ({"kind": "float", "positive": True}, {"kind": "empirical"}):
        with pytest.raises(ValueError, match="'period': only a positive empirical condition can decide others"):
            Condition("d", "period", decides=True, **wrong)
