"""``simulacra demo sky`` on few fields: one screen, likelihoods and fits that hold, and the report that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulacra.cli import demo_sky, main


def test_the_demo_sets_a_generator_beside_known_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_sky, "FIELDS", 240)
    monkeypatch.setattr(demo_sky, "FITTED", 1)
    result = CliRunner().invoke(main.app, ["demo", "sky", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) <= 40
    off = re.search(r"learned minus exact: (\S+) ± \S+ thousandths a pixel", result.stdout)
    assert off is not None
    assert abs(float(off[1].replace("−", "-"))) < 1
    fits = re.findall(r"[As] = (\S+) ± (\S+) \(true (\S+)\)", result.stdout)
    assert len(fits) == 2
    for value, error, true in ((float(x.replace("−", "-")) for x in fit) for fit in fits):
        assert abs(value - true) < 5 * error
    assert (tmp_path / "sky" / "lognormal-fields" / "report.html").is_file()
