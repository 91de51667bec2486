"""``simulacra demo`` on a few showers: one screen, honest about what it left out, and the pages that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from typer.testing import CliRunner

from judged_showers import toy_events
from simulacra.cli import demo_showers, main
from simulacra.judges import Verdict, judge

LINES, COLUMNS = 40, 100
SHOWERS = 220


def test_the_demo_sets_both_generators_beside_geant4_in_one_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}

    def judge_toys(truth: xr.Dataset, events: Mapping[str, xr.Dataset], output: Path, seed: int) -> dict[str, Verdict]:
        # One verdict for both, on toys: what judges find has tests of its own.
        made.update(truth=truth, events=events)
        verdict = judge(toy_events(SHOWERS, 1), toy_events(SHOWERS, 2, width=1.4, simulator="toy generator"), seed=seed)
        return dict.fromkeys(events, verdict)

    monkeypatch.setattr(demo_showers, "JUDGED_QUICKLY", SHOWERS)
    monkeypatch.setattr(demo_showers, "_simulate", lambda *_: None)
    monkeypatch.setattr(demo_showers, "_judge", judge_toys)
    result = CliRunner().invoke(main.app, ["demo", "--quick", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) <= LINES
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 1.5 * COLUMNS
    # Both make showers at the truth's own energies.
    for events in made["events"].values():
        xr.testing.assert_equal(
            events["incident_energy"].drop_attrs(), made["truth"]["incident_energy"].drop_attrs().astype("f4")
        )
    for name in demo_showers.GENERATORS:
        (said,) = [line for line in lines if line.strip().startswith(f"{name}: ")]
        assert "FAIL: not good enough for a full stand-in, cell by cell." in said
    assert any(line.strip().startswith("fail: ") and "limit" in line for line in lines)
    # An AUC and its error for each generator and for Geant4 itself, by every classifier.
    (row,) = [line for line in lines if "boosted trees on cells" in line]
    assert len(re.findall(r"\d\.\d+ ± \d\.\d+", row)) == 3
    assert f"--quick judged {SHOWERS} of 2,500 showers: verdicts are less certain" in result.stdout
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    for name in demo_showers.GENERATORS:
        assert f'href="{name}/report.html"' in page
    assert 'id="beside"' in page
    assert (tmp_path / "beside-geant4.svg").stat().st_size > 20_000
    # The commands at the end exist.
    commands = re.findall(r"^   simulacra (\w+)", result.stdout, re.MULTILINE)
    assert len(commands) == 3
    assert set(commands) <= set(main.COMMANDS)


def report_of_a_process(name: str, truth: int, events: int, folder: Path, seed: int, told: Any) -> Any:
    told.put((name, "working", 0.5))
    if events < 0:
        raise ValueError(f"{name} cannot be judged")
    return os.getpid(), os.environ["OMP_NUM_THREADS"], truth + events + seed, folder


def test_each_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    given: Any = {"a": 10, "b": 20}
    found: Any = demo_showers._judge(1, given, tmp_path, 100, report_of_a_process)  # type: ignore[arg-type]
    assert list(found) == ["a", "b"]
    assert len({os.getpid(), found["a"][0], found["b"][0]}) == 3
    assert [found[name][1:] for name in "ab"] == [("1", 111, tmp_path / "a"), ("1", 121, tmp_path / "b")]
    with pytest.raises(ValueError, match="b cannot be judged"):
        demo_showers._judge(1, {"a": 1, "b": -1}, tmp_path, 1, report_of_a_process)  # type: ignore[arg-type, dict-item]


def test_reweighting_has_no_quick_form(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.app, ["demo", "reweighting", "--quick", "-o", str(tmp_path / "d")])
    assert result.exit_code == 2
    assert "--quick is only for showers" in result.stderr
    assert not (tmp_path / "d").exists()
