"""The page in a browser, at the width of a desk and of a phone: what it draws, asks and loads."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import simulacra
from browsing import BROWSER_ARGUMENTS
from served_models import ask, listening
from simulacra.serving import application

MODELS = ["calogan-eplus-angle", "jets-epic-fast", "cepheids-vae", "lognormal-fields", "qcd-jet-mass"]
TOKEN = "a-token-that-nobody-guesses"
#: colours of a canvas that differ
COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let k = 0; k < pixels.length; k += 4) seen.add(pixels.slice(k, k + 4).join());
  return seen.size;
}"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(application([simulacra.load(name) for name in MODELS], token=TOKEN)) as url:
        yield url


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_page_draws_what_one_asks_for(url: str, chromium: str, width: int, height: int) -> None:
    from playwright.sync_api import Page, expect, sync_playwright

    complaints: list[str] = []
    asked: list[str] = []

    def waited(tab: Page, before: str) -> str:
        """Wait for the next answer and return what the page says of it."""
        end = time.monotonic() + 20
        while (said := tab.inner_text("#said")) == before:
            assert time.monotonic() < end, f"no answer after: {before} ({tab.inner_text('#trouble')})"
            tab.wait_for_timeout(20)
        return said

    def colours(tab: Page, selector: str) -> list[int]:
        return [tab.locator(selector).nth(k).evaluate(COLOURS) for k in range(tab.locator(selector).count())]

    def choose(tab: Page, name: str) -> None:
        tab.select_option("#model", name)
        expect(tab.locator("#view h2").first).to_contain_text(name)
        tab.wait_for_timeout(50)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGUMENTS))
        try:
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto(url)
            expect(tab.locator("#entrance")).to_be_visible()
            tab.fill("#token", "wrong")
            tab.press("#token", "Enter")
            expect(tab.locator("#denied")).to_have_text("That is not the token.")
            tab.on("console", lambda message: complaints.append(message.text))
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on("request", lambda request: asked.append(request.url))
            tab.fill("#token", TOKEN)
            tab.press("#token", "Enter")
            expect(tab.locator("#entrance")).to_be_hidden()

            # A shower beside Geant4's mean, by the keyboard alone.
            said = waited(tab, "")
            mean = tab.locator(".reference h2")
            expect(mean).to_contain_text("shipped showers of 45.5 to 54.9 GeV")
            assert min(colours(tab, ".generated canvas")) > 2
            assert min(colours(tab, ".reference canvas")) > 5
            assert colours(tab, ".legend canvas")[0] > 50
            slider = tab.locator("#condition-incident_energy")
            before = tab.locator(".generated .total").all_inner_texts()
            slider.focus()
            slider.press("End")
            expect(tab.locator(".generated h2")).to_contain_text("e⁺ of 100 GeV")
            expect(mean).to_contain_text("of 91.1 to 99.4 GeV")
            assert tab.locator(".generated .total").all_inner_texts() != before
            assert "seed 1," in tab.inner_text("#said")
            # A typed energy outside the trained range is told beside its field, and nothing is replaced.
            typed = tab.locator(".condition:first-child input[type=number]")
            typed.fill("200")
            typed.press("Enter")
            note = tab.locator(".condition:first-child .refused")
            expect(note).to_have_text("1 to 100 GeV, as trained")
            assert typed.input_value() == "200"
            assert typed.get_attribute("aria-invalid") == "true"
            typed.fill("60")
            typed.press("Enter")
            expect(note).to_have_text("")
            expect(tab.locator(".generated h2")).to_contain_text("e⁺ of 60 GeV")
            # At first view the colours and their unit are on the screen, on a phone above the sheet.
            name, sheet = tab.locator(".legend .name").bounding_box(), tab.locator(".controls").bounding_box()
            assert name
            assert sheet
            assert name["y"] + name["height"] < (height if width > 832 else sheet["y"])
            # Where there is no mean, the page says so.
            tab.locator("#condition-polar_angle").focus()
            tab.locator("#condition-polar_angle").press("End")
            for one in (".generated canvas >> nth=0", "#condition-polar_angle"):
                box = tab.locator(one).bounding_box()
                assert box
                assert 0 <= box["y"] < height, "the slider and the shower are not on one screen"
            expect(tab.locator(".none")).to_have_text(
                "The shipped Geant4 showers all have polar angle = 0, so there is no mean to draw."
            )
            expect(tab.locator(".reference .sections")).to_be_hidden()

            # Noise: new by the button, by the key, and at each change if one says so.
            tab.click("#another")
            expect(tab.locator("#said")).to_contain_text("seed 2,")
            tab.locator("#condition-impact_x").press("n")
            expect(tab.locator("#said")).to_contain_text("seed 3,")
            tab.check("input[value=new]")
            expect(tab.locator("#said")).to_contain_text("seed 4,")
            said = tab.inner_text("#said")
            tab.locator("#condition-impact_x").press("ArrowRight")
            assert "seed 5," in waited(tab, said)
            tab.check("input[value=fixed]")

            choose(tab, "jets-epic-fast")
            tab.select_option("#condition-jet_class", "top quark")
            expect(tab.locator("#view h2")).to_contain_text("top quark")
            assert colours(tab, "#view canvas")[0] > 20
            choose(tab, "cepheids-vae")
            expect(tab.locator(".facts")).to_contain_text("observations 64")
            assert tab.is_checked(".condition:nth-child(2) input[type=checkbox]")
            assert colours(tab, "#view canvas")[0] > 10
            choose(tab, "lognormal-fields")
            expect(tab.locator(".facts")).to_contain_text("smallest")
            assert min(colours(tab, "#view canvas")) > 50
            choose(tab, "qcd-jet-mass")
            expect(tab.locator("tbody tr").first).to_contain_text("jet mass [GeV]")
        finally:
            browser.close()
    assert complaints == []
    assert [one for one in asked if not one.startswith((url, "data:"))] == []


def test_files_of_the_page_are_served_and_nothing_else() -> None:
    app = application(["calogan-eplus"], token=TOKEN)
    page = ask(app, "GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for outside in ("http://", "https://", "<script>", " style=", "onclick"):
        assert outside not in page.text
    for name in ("page.css", "style.css", "main.js", "showers.js"):
        assert ask(app, "GET", f"/page/{name}").status_code == 200
    for name in ("index.htm", "../page.py", "..%2fpage.py", "base.html"):
        assert ask(app, "GET", f"/page/{name}").status_code in (401, 404)
