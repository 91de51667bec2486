"""The page of the service: one HTML file, its style and its scripts, read once and served as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response

from simulacra.serving.refusals import RefusalError

FOLDER: Final = Path(__file__).parent / "page_files"
#: the style of all pages, to which this one adds its own
STYLE: Final = Path(__file__).parents[1] / "pages" / "templates" / "style.css"
KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def add(app: FastAPI) -> None:
    """Add the page's routes to an application."""
    # Looked up by name among what was read at the start: no path of a request ever reaches the disk.
    files = {path.name: path.read_bytes() for path in [*sorted(FOLDER.iterdir()), STYLE] if path.suffix in KINDS}

    @app.get("/", include_in_schema=False)
    async def _page() -> Response:
        return Response(files["index.html"], media_type=KINDS[".html"])

    @app.get("/page/{file}", include_in_schema=False)
    async def _file(file: str) -> Response:
        if file not in files:
            raise RefusalError(404, "there is no such file", where="path", what_to_do="open the page at /")
        return Response(files[file], media_type=KINDS[Path(file).suffix])
