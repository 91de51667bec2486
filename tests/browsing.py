"""What a reader with a browser would complain about in a page."""

from __future__ import annotations

from pathlib import Path

BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IMAGES = {
    "is broken": "i => !i.complete || i.naturalWidth === 0",
    "has no description": "i => i.alt.length === 0",
    "reaches beyond the window": "i => i.getBoundingClientRect().right > innerWidth",
}


def complaints(page: Path, chromium: str, width: int, height: int) -> list[str]:
    """Return what the console says, what is loaded from elsewhere, and what is too wide, too low or broken."""
    from playwright.sync_api import sync_playwright

    found: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_ARGUMENTS))
        try:
            tab = browser.new_page(viewport={"width": width, "height": height})
            asked: list[str] = []
            tab.on("console", lambda message: found.append(message.text))
            tab.on("pageerror", lambda error: found.append(str(error)))
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(page.as_uri())
            found += [f"loads {url}" for url in asked if not url.startswith(("data:", "file:"))]
            if tab.evaluate("document.documentElement.scrollWidth") > width:
                found.append("the page is wider than the window")
            heading = tab.locator("#verdict h2").bounding_box()
            if heading is None or heading["y"] + heading["height"] >= height:
                found.append("the headline is not on the first screen")
            for what, condition in IMAGES.items():
                names = tab.evaluate(f"[...document.images].filter({condition}).map(i => i.alt)")
                found += [f"the image '{name}' {what}" for name in names]
        finally:
            browser.close()
    return found
