"""The notebooks of examples/: each runs from its first cell to its last, and is kept without its outputs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook_for_each_part() -> None:
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_without_outputs(path: Path) -> None:
    assert path.stat().st_size < 20_000
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["source"]).startswith(f"# {path.stem[0]}. ")
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install 'simulacra[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'simulacra[dev]'")
    if path.stem.startswith("3") and importlib.util.find_spec("pythia8mc") is None:
        pytest.skip("pythia8mc is not installed: pip install 'simulacra[jets]'")
    notebook = nbformat.read(path, as_version=4)
    # As a reader's: figures in the page.
    monkeypatch.delenv("MPLBACKEND")
    # A cell that fails raises, with its traceback; nothing is written back.
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
