"""README.md and docs/: short, linked to what exists, with tables from the benchmarks and snippets that run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

import simulacra

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.documents import pages  # noqa: E402
from benchmarks.tables import table  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
MOST_LINES = 150
ALL_PAGES = ["README.md", *(page.relative_to(ROOT).as_posix() for page in sorted((ROOT / "docs").rglob("*.md")))]
BLOCKS = ("python", "toml", "sh")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub writes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_lead_to_what_exists(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = path if not name else path.parent / name
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            assert anchor in anchors_of(target.read_text(encoding="utf-8")), f"{page} links to {link}"


def test_tables_are_as_the_benchmarks_say() -> None:
    stale = [page for page, (text, wanted) in pages.written().items() if text != wanted]
    assert stale == [], "run make docs-tables"


def test_every_result_stands_in_a_page() -> None:
    # Each benchmark's file changes a page: what nobody reads would grow old unseen.
    found = pages.results()
    used = set()

    class Watched(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> object:
            used.add(name)
            return super().__getitem__(name)

    for tables in pages.PAGES.values():
        for write in tables.values():
            write(Watched(found))
    assert used == set(found)


def test_a_table_is_put_between_its_marks_and_nothing_else_changes() -> None:
    text = "a\n<!-- table: x -->\nold\n<!-- end of table: x -->\nb\n"
    once = pages.filled(text, {"x": table(("h", "i"), [("1", "2")])}, "page")
    assert once == "a\n<!-- table: x -->\n\n| h | i |\n|---|---|\n| 1 | 2 |\n\n<!-- end of table: x -->\nb\n"
    assert pages.filled(once, {"x": table(("h", "i"), [("1", "2")])}, "page") == once
    with pytest.raises(pages.DocumentError, match="marks of the tables"):
        pages.filled("no marks", {"x": "t"}, "page")
    with pytest.raises(pages.DocumentError, match="no end mark"):
        pages.filled("<!-- table: x -->\n", {"x": "t"}, "page")
    with pytest.raises(ValueError, match="1 cells under 2 heads"):
        table(("h", "i"), [("1",)])


def test_there_are_three_snippets() -> None:
    assert len(SNIPPETS) == 3


@pytest.mark.parametrize("number", range(3))
def test_the_readmes_snippets_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snippet = SNIPPETS[number]
    if "Pythia" in snippet and importlib.util.find_spec("pythia8mc") is None:
        pytest.skip("pythia8mc is not installed: pip install 'simulacra[jets]'")
    monkeypatch.chdir(tmp_path)
    # Fewer events than a reader takes, for time.
    few = snippet.replace("n_events=4000", "n_events=800").replace("n_events=2000", "n_events=400")
    few = few.replace("size=(2000, 3)", "size=(300, 3)").replace("1.3]", "2.0]")
    exec(compile(few, f"README.md, snippet {number + 1}", "exec"), {"__name__": "snippet"})
    said = capsys.readouterr().out
    if number == 0:
        assert said.strip() == "('event', 'cell') MeV"
    elif number == 1:
        assert said.startswith("FAIL: not good enough for a full stand-in")
        assert (tmp_path / "report" / "report.html").is_file()
    else:
        value, error = re.findall(r"[\d.]+", said.partition("=")[2])
        # 400 events: a false alarm beyond five of its errors and the networks' own bias of 3 %.
        assert abs(float(value) - 0.15) < 5 * float(error) + 0.03 * 0.15


def test_the_system_of_the_page_is_trained_and_generates(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own_system.md").read_text(encoding="utf-8")
    code, toml, shell = (re.findall(rf"^```{kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE) for kind in BLOCKS)
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "pulsating.py").write_text(code[0], encoding="utf-8")
    (tmp_path / "stars.toml").write_text(toml[0], encoding="utf-8")
    # Judging and what follows take a minute; the contract test does this for every system.
    lines, _, rest = shell[0].partition("simulacra judge")
    assert "simulacra refine" in rest
    python = f"'{sys.executable}'"
    commands = lines.replace("python -c", f"{python} -c").replace("\nsimulacra ", f"\n{python} -m simulacra ")
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, timeout=300)
    assert set(simulacra.open_events(tmp_path / "red.zarr")["band"].values.tolist()) == {1}
