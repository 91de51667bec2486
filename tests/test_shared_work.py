"""How `make test` divides the tests between its workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_work import BY_PARAMETER, work_unit


@pytest.mark.parametrize(
    ("test", "unit"),
    [
        ("tests/test_events.py::test_a[nan]", "tests/test_events.py"),
        ("tests/systems/test_contract.py::test_an_unknown_kind", "tests/systems/test_contract.py"),
        ("tests/systems/test_contract.py::test_a[calogan]", "tests/systems/test_contract.py[calogan]"),
        ("tests/systems/test_contract.py::test_b[check_that_it-calogan]", "tests/systems/test_contract.py[calogan]"),
        ("tests/systems/test_systems_export.py::test_c[epic-1]", "tests/systems/test_systems_export.py[epic-1]"),
        ("test_document_blocks.py::test_d[docs/how_to/a.md]", "test_document_blocks.py[docs/how_to/a.md]"),
        ("tests/test_e.py::test_e", "tests/test_e.py"),
    ],
)
def test_tests_of_a_file_or_of_a_parameter_run_together(test: str, unit: str) -> None:
    assert work_unit(test) == unit


def test_the_files_that_are_divided_are_there() -> None:
    assert all((Path(__file__).parent / name).is_file() for name in BY_PARAMETER)
