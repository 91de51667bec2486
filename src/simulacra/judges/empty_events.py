"""Events without content: no particle in a cloud, no value other than 0 in an image.

Some are no mistake: a sparse image or a soft collision may be empty. So they are only told, and only if the generated
events have more or fewer of them than chance allows, or the truth has none.
"""

from __future__ import annotations

from typing import Final

from simulacra.judges.samples import Sample

#: probability by chance below which the shares differ
SIGNIFICANT: Final = 1e-3


def empty_events(truth: Sample, generated: Sample) -> str:
    """Return a warning with the numbers of events without content in both samples, or ""."""
    from scipy.stats import fisher_exact

    numbers, sizes = (_number(truth), _number(generated)), (len(truth), len(generated))
    if not any(numbers):
        return ""
    full = [n - empty for n, empty in zip(sizes, numbers, strict=True)]
    if numbers[0] and float(fisher_exact([numbers, full]).pvalue) >= SIGNIFICANT:
        return ""
    content = "particle" if truth.cloud is not None else "value other than 0"
    return (
        f"{numbers[0]:,} of {sizes[0]:,} events of {truth.label} and {numbers[1]:,} of {sizes[1]:,} of "
        f"{generated.label} have no {content}."
    )


def _number(sample: Sample) -> int:
    if sample.cloud is not None:
        return int((~sample.cloud.present.any(axis=1)).sum())
    if sample.cells is not None:
        return int((~sample.cells.any(axis=1)).sum())
    return 0
