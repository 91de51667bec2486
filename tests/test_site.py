"""The documentation as a site: built strictly, complete, and asking no other server for anything."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import simulacra
from simulacra.cli.main import app

ROOT = Path(__file__).parents[1]
#: what a browser loads by itself
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']?([^"'\s>]+)"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*?\bhref=["']?([^"'\s>]+)"""
    r"""|@import\s+["']([^"']+)|url\(\s*["']?([^"')]+)"""
)


def hook(name: str) -> ModuleType:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'simulacra[docs]'")
    spec = importlib.util.spec_from_file_location(f"hook_{name}", ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'simulacra[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    source = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    settings = {**os.environ, "PYTHONPATH": source, "NO_MKDOCS_2_WARNING": "1"}
    # A system of the tests' own is no part of the documentation.
    settings.pop("SIMULACRA_SYSTEMS", None)
    built = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr[-4000:]
    return folder


def pages_of(site: Path) -> dict[str, str]:
    return {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}


@pytest.mark.slow
def test_each_page_is_built(site: Path) -> None:
    wanted = {page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    wanted |= {"repository/index.html", "repository/CHANGELOG.html", "repository/benchmarks/results/judges.html"}
    assert wanted <= set(pages_of(site))


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://a/b.js">',
        "<img alt='x' src='//a/b.png'>",
        '<link rel="stylesheet" href="https://a/b.css">',
        "@import 'https://a/b.css'",
        "url(https://a/b.woff)",
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(text: str) -> None:
    assert len(foreign(text)) == 1


def foreign(text: str) -> list[str]:
    found = [next(filter(None, groups)) for groups in LOADED.findall(text)]
    return [one for one in found if one.startswith(("http:", "https:", "//"))]


@pytest.mark.slow
def test_no_page_asks_another_server(site: Path) -> None:
    texts = {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for kind in ("html", "css")
        for path in site.rglob(f"*.{kind}")
    }
    assert {name: found for name, text in texts.items() if (found := foreign(text))} == {}


@pytest.mark.slow
def test_links_within_the_site_lead_somewhere(site: Path) -> None:
    # mkdocs checks what it knows; this checks what the hooks made of links to the repository.
    lost = []
    for name, text in pages_of(site).items():
        for link in re.findall(r'<(?:a|img)\b[^>]*?(?:href|src)="([^"#?]+)', text):
            if "://" in link or link.startswith(("mailto:", "data:", "/")):
                continue
            target = (site / name).parent / unquote(link)
            if not target.exists() and name != "404.html":
                lost.append(f"{name}: {link}")
    assert lost == []


@pytest.mark.slow
def test_the_reference_has_every_name_with_its_parameters(site: Path) -> None:
    text = "".join(text for name, text in pages_of(site).items() if name.startswith("reference/"))
    for name in set(simulacra.__all__) - {"__version__"}:
        assert f"simulacra.{name}</span>" in text or f"simulacra.{name}\n" in text, name
    # These two take their parameters from another function.
    fits = (site / "reference" / "reweight.html").read_text(encoding="utf-8")
    assert "<code>calibrated</code>" in fits
    assert "*given" not in fits


@pytest.mark.slow
def test_the_reference_has_every_command(site: Path) -> None:
    import typer

    text = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    root = typer.main.get_command(app)
    names = [name for name, _ in hook("reference").commands(root, "simulacra") if name != "simulacra"]
    assert len(names) > 20
    assert [name for name in names if f">{name}<" not in text] == []
    assert "<code>--seed</code>" in text


def test_each_public_name_is_on_one_page_of_the_reference() -> None:
    names = [name for _, names in hook("reference").PAGES.values() for name in names]
    assert sorted(names) == sorted(set(simulacra.__all__) - {"__version__"})


def test_help_is_written_as_the_cell_of_a_table() -> None:
    assert hook("reference").cell("a \\[deg]\n or [bold]b|c[/bold] <x>") == "a \\[deg] or b\\|c &lt;x>"


def test_lists_are_indented_as_code_hosts_read_them() -> None:
    text = "1. one\n   more\n\n   | a |\n   - in\n     inner\n\nafter\n\n    code\n* x\n  y\nz\n"
    wanted = "1. one\n    more\n\n    | a |\n    - in\n        inner\n\nafter\n\n    code\n* x\n    y\n"
    # The last line follows its item without a blank line: it belongs to it.
    assert hook("lists").indented(text) == wanted + "    z\n"
    fenced = "1. one\n   ```sh\n   - not an item\n   ```\n"
    assert hook("lists").indented(fenced) == "1. one\n    ```sh\n    - not an item\n    ```\n"


def test_the_navigation_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A", encoding="utf-8")
    (tmp_path / "new.md").write_text("# New", encoding="utf-8")
    nav = [{"A": "a.md"}, {"How-tos": [{"B": "b.md"}, {"A again": "a.md"}]}, {"R": "reference/x.md"}, {"C": "c.md"}]
    config = {"docs_dir": str(tmp_path), "nav": nav}
    wanted = [{"A": "a.md"}, {"How-tos": [{"A again": "a.md"}, "new.md"]}, {"R": "reference/x.md"}]
    assert hook("navigation").on_config(config)["nav"] == wanted


def test_links_out_of_the_documentation_are_found() -> None:
    links = hook("links")
    text = "[a](../README.md#install) [b](../src/simulacra/events.py) [c](https://x.y) [d](#here) [e](../no/such)"
    found = links.targets(text, "docs/page.md", ROOT)
    assert found == {"../README.md#install": "README.md", "../src/simulacra/events.py": "src/simulacra/events.py"}
    assert [links.place(path) for path in ("docs/jets.md", "README.md", "a/b.py", "a/b.svg")] == [
        "jets.md",
        "repository/README.md",
        "repository/a/b.py.md",
        "repository/a/b.svg",
    ]
