"""Indents what belongs to an item of a list by 4 columns.

Code hosts (CommonMark) take what begins at the item's text for a part of it, Python-Markdown only what is indented by
4 columns.
"""

from __future__ import annotations

import re
from typing import Any

ITEM = re.compile(r"^( *)([*-]|\d+\.)( +)(?=\S)")
FENCE = re.compile(r"^ *(```|~~~)")


def indented(markdown: str) -> str:
    """Return the page with the content of list items indented by 4 columns per level."""
    lines, levels, fenced, before = [], [], False, ""
    for line in markdown.split("\n"):
        text = line.lstrip(" ")
        column = len(line) - len(text)
        if text and not fenced:
            while levels and column < levels[-1]:
                # A line without indent that follows text directly still belongs to its item.
                if before and column == 0 and not ITEM.match(line) and not text.startswith(("#", "|", "<", "```")):
                    break
                levels.pop()
        depth = len(levels)
        start = levels[-1] if levels else 0
        item = None if fenced else ITEM.match(line)
        if item and column - start < 4:
            line = " " * 4 * depth + text  # noqa: PLW2901
            levels.append(item.end())
        elif depth and text:
            line = " " * (4 * depth + max(column - start, 0)) + text  # noqa: PLW2901
        if FENCE.match(line):
            fenced = not fenced
        lines.append(line)
        before = text
    return "\n".join(lines)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Indent the lists of a page."""
    return indented(markdown)
