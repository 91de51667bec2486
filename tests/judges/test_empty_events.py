"""Events without a particle or a value: told if their shares differ beyond chance, or the truth has none."""

import numpy as np
import pytest

from simulacra.judges.empty_events import empty_events
from simulacra.judges.plain_arrays import as_events
from simulacra.judges.preparation import prepared
from simulacra.judges.samples import Cloud, Sample

N = 1000


def sample(empty: int, *, cloud: bool = False, label: str = "truth") -> Sample:
    filled = np.ones((N, 4), dtype=np.float32)
    filled[:empty] = 0
    return Sample(
        label=label,
        kind="clouds" if cloud else "images",
        cells=None if cloud else filled,
        cloud=Cloud(filled[..., None], filled > 0, ("pt",)) if cloud else None,
        conditions={},
        observables={},
        weights=np.ones(N),
        units={},
        long_names={},
        provenance={},
    )


@pytest.mark.parametrize(
    ("truth", "generated", "told"),
    [(0, 0, False), (0, 1, True), (50, 50, False), (50, 60, False), (50, 120, True), (50, 0, True), (1, 0, False)],
)
@pytest.mark.parametrize(("cloud", "content"), [(True, "particle"), (False, "value other than 0")])
def test_numbers_are_told_if_they_differ(truth: int, generated: int, told: bool, cloud: bool, content: str) -> None:
    found = empty_events(sample(truth, cloud=cloud), sample(generated, cloud=cloud, label="model"))
    expected = f"{truth} of 1,000 events of truth and {generated} of 1,000 of model have no {content}."
    assert found == (expected if told else "")


def test_tables_have_no_empty_events() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 300, 2))
    second[:20] = 0
    case = prepared(as_events(first, "truth"), as_events(second, "generated"), None, (), seed=1, max_events=300)
    assert not [warning for warning in case.warnings if "have no" in warning]


def test_generated_images_without_a_pixel_are_a_warning() -> None:
    first, second = np.random.default_rng(1).exponential(size=(2, 300, 3, 3))
    second[:20] = 0
    case = prepared(as_events(first, "truth"), as_events(second, "generated"), None, (), seed=1, max_events=300)
    assert "0 of 300 events of truth and 20 of 300 of generated have no value other than 0." in case.warnings
