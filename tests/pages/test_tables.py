"""Which cells of a table are numbers."""

from __future__ import annotations

import pytest

from simulacra.pages import Chapter, Page, html_of
from simulacra.pages.tables import class_of, columns_of_numbers, is_number


@pytest.mark.parametrize(
    "cell",
    ["0.4", "1,234 ± 5", "−0.001 ± 0.002", "-3", "(0.1 ± 0.2) × 10⁻³", "2.5 ± 0.1 GeV", "18 ± 13 %", "485 + 485", "< 2",
     "17 / 29", "9.8e-05"],
)  # fmt: skip
def test_numbers_are_numbers_with_errors_and_units(cell: str) -> None:
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["Width in φ in section 1", "pass", "", "–", "2 of the 5 modes are lost", "W₁ [σ]"])
def test_words_are_not(cell: str) -> None:
    assert not is_number(cell)


def test_a_column_is_of_what_most_of_its_cells_are() -> None:
    rows = (("1", "0.1", "–", "pass", "truth"), ("2", "–", "", "", "3"), ("3", "0.3", "–", "fail", "4"))
    assert columns_of_numbers(rows) == [False, True, False, False, True]
    assert columns_of_numbers(()) == [False]
    assert class_of("–", True) == class_of("5", True) == "number"
    assert class_of("truth", True) == class_of("5", False) == ""
    assert class_of("any difference that is about as wide as the sample", False) == "words"


def test_a_page_sets_numbers_at_the_right_and_lets_long_words_wrap() -> None:
    long = "the first of all the regions, in which some events are missing"
    chapter = Chapter(
        "a", "A", (), columns=("region", "where", "p"), rows=((long, "here", "0.1"), ("b", "there", "1 ± 2"))
    )
    text = html_of(Page(title="t", overline="o", headline="h", chapters=(chapter,)))
    assert '<th>region</th><th>where</th><th class="number">p</th>' in text
    assert f'<tr><th class="words">{long}</th><td>here</td><td class="number">0.1</td></tr>' in text
    assert '<td class="number">1\u00a0±\u00a02</td>' in text


def test_a_page_may_pass_with_weights() -> None:
    text = html_of(Page(title="t", overline="o", headline="h", outcome="pass with weights"))
    assert '<div class="verdict pass with weights"' in text
    # The later of two styles that fit counts.
    assert text.index(".verdict.pass") < text.index(".verdict.weights")
