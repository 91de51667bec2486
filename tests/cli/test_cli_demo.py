"""``simulacra demo`` on a few showers: one screen, honest about what it left out, and the pages that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulacra.cli import demo_showers, main

LINES, COLUMNS = 40, 100


@pytest.mark.slow
def test_the_demo_judges_both_generators_in_one_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_showers, "JUDGED_QUICKLY", 220)
    monkeypatch.setattr(demo_showers, "_simulate", lambda *_: None)
    result = CliRunner().invoke(main.app, ["demo", "--quick", "-o", str(tmp_path / "d")])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) <= LINES
    for name in demo_showers.GENERATORS:
        assert (tmp_path / "d" / name / "report.html").is_file()
        (verdict,) = [line for line in lines if line.strip().startswith(f"{name}: ")]
        assert re.search(r"(PASS|FAIL|UNDECIDED|PASS WITH WEIGHTS)\b.* for a full stand-in, cell by cell", verdict)
    # An AUC and its error for each generator and for Geant4 itself, by every classifier.
    (row,) = [line for line in lines if "boosted trees on cells" in line]
    assert len(re.findall(r"0\.\d+ ± 0\.\d+", row)) == 3
    assert "--quick judged 220 of 2,500 showers: less is decided" in result.stdout
    page = (tmp_path / "d" / "comparison.html").read_text(encoding="utf-8")
    assert "Beside Geant4" in page
    for name in demo_showers.GENERATORS:
        assert f'href="{name}/report.html"' in page
    assert (tmp_path / "d" / "beside-geant4.svg").stat().st_size > 20_000
    # The commands at the end exist.
    commands = re.findall(r"^   simulacra (\w+)", result.stdout, re.MULTILINE)
    assert len(commands) == 3
    assert set(commands) <= set(main.COMMANDS)


def test_reweighting_has_no_quick_form(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, ["demo", "reweighting", "--quick", "-o", str(tmp_path / "d")])
    assert result.exit_code == 2
    assert "--quick is of the showers" in result.stderr
    assert not (tmp_path / "d").exists()
