"""The page, in a real browser, and the files next to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from simulacra.judges import Verdict
from simulacra.reports import report as report_module
from simulacra.reports import write

MOST_BYTES = 6_000_000
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def page(verdict: Verdict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(verdict, tmp_path_factory.mktemp("reports") / "Bericht über Schauer")


def test_page_stands_alone(page: Path, verdict: Verdict) -> None:
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < MOST_BYTES
    assert verdict.headline in text
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {link.split(":")[0] if link.startswith("data:") else link[0] for link in links} == {"data", "#"}
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_json_has_the_same_numbers(page: Path, verdict: Verdict) -> None:
    record = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    assert record["verdict"]["headline"] == verdict.headline
    assert [f["value"] for f in record["findings"]] == [f.value for f in verdict.findings]
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "report.json"]


def test_failed_writing_leaves_the_old_page_and_no_rest(
    verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    monkeypatch.setattr(report_module, "page_of", lambda verdict: "new")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        report_module.write_report(verdict, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_page_in_a_browser(page: Path, verdict: Verdict, chromium: str, width: int, height: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGUMENTS))
        try:
            tab = browser.new_page(viewport={"width": width, "height": height})
            said: list[str] = []
            asked: list[str] = []
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(page.as_uri())
            assert said == []
            assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            heading = tab.locator("#verdict h2").bounding_box()
            assert heading is not None
            assert heading["y"] + heading["height"] < height
            assert tab.locator("#verdict h2").inner_text() == verdict.headline
            broken = "[...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.alt)"
            assert tab.evaluate(broken) == []
            assert tab.evaluate("[...document.images].every(i => i.alt.length > 0)")
            wide = "[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth).map(i => i.alt)"
            assert tab.evaluate(wide) == []
        finally:
            browser.close()
