"""Makes links out of docs/ work in the site: what they lead to becomes a page or a file of the site.

A page links to files of the repository as on a code host, such as ``../README.md`` or ``../src/simulacra/generators``.
Here each such file becomes a page under ``repository/`` (Markdown as it is, source as a listing, a folder as the list
of its files) or is copied (pictures, JSON, notebooks).
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mkdocs.structure.files import File, Files

LINK = re.compile(r"(\]\()([^)\s]+)(\))")
COPIED = (".svg", ".png", ".jpg", ".json", ".ipynb")
LANGUAGES = {".py": "python", ".toml": "toml", ".cc": "cpp", ".hh": "cpp", ".sh": "bash", ".txt": "cmake"}
ALWAYS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
WHERE = "repository/"

#: where the text of a generated page stands in the repository
_homes: dict[str, str] = {}


def place(path: str) -> str:
    """Return where in the site the repository's ``path`` is; pages of docs/ are at the site's root."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return WHERE + (path if path.endswith((".md", *COPIED)) else f"{path}.md")


def targets(text: str, home: str, root: Path) -> dict[str, str]:
    """Return the repository's path of each relative link of a page that lies at ``home``."""
    found = {}
    for _, link, _ in LINK.findall(text):
        name = unquote(link.partition("#")[0])
        if not name or "://" in name or name.startswith(("/", "mailto:")):
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), name))
        if not path.startswith("..") and (root / path).exists():
            found[link] = path
    return found


def listing(path: Path, root: Path) -> str:
    """Return the page of a source file or of a folder."""
    name = path.relative_to(root).as_posix()
    if path.is_dir():
        inside = [one for one in sorted(path.iterdir()) if not one.name.startswith((".", "__"))]
        links = "".join(f"* [{one.name}]({quote(f'{path.name}/{one.name}')})\n" for one in inside)
        readme = path / "README.md"
        return f"# `{name}/`\n\n{links}" + (f"\n{readme.read_text(encoding='utf-8')}" if readme.is_file() else "")
    return f"# `{name}`\n\n```{LANGUAGES.get(path.suffix, '')}\n{path.read_text(encoding='utf-8')}\n```\n"


def text_of(path: Path, root: Path) -> str:
    """Return the Markdown of a file of the repository."""
    return path.read_text(encoding="utf-8") if path.suffix == ".md" else listing(path, root)


def home_of(name: str, path: str, root: Path) -> str:
    """Return the path from which a generated page's links are counted."""
    return posixpath.join(posixpath.dirname(path), name) if (root / path).is_dir() else path


def on_files(files: Files, config: Any) -> Files:
    """Add what the pages link to, and what that links to."""
    root = Path(config["config_file_path"]).parent
    _homes.clear()
    waiting = list(ALWAYS)
    for file in files.documentation_pages():
        _homes.setdefault(file.src_uri, f"docs/{file.src_uri}")
        waiting += targets(file.content_string, f"docs/{file.src_uri}", root).values()
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in done or path.startswith("docs/"):
            continue
        done.add(path)
        uri = place(path)
        if path.endswith(COPIED):
            files.append(File.generated(config, uri, abs_src_path=os.fspath(root / path)))
            continue
        text = text_of(root / path, root)
        files.append(File.generated(config, uri, content=text))
        _homes[uri] = home_of(Path(path).name, path, root)
        waiting += targets(text, _homes[uri], root).values()
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Point the links of a page to where their targets are in the site."""
    uri = page.file.src_uri
    root = Path(config["config_file_path"]).parent
    if uri not in _homes:
        return markdown
    found = targets(markdown, _homes[uri], root)

    def moved(match: re.Match[str]) -> str:
        link = match[2]
        if link not in found:
            return match[0]
        anchor = link.partition("#")[1] + link.partition("#")[2]
        return match[1] + quote(posixpath.relpath(place(found[link]), posixpath.dirname(uri))) + anchor + match[3]

    return LINK.sub(moved, markdown)
