"""Damage to the bytes and the words of a file: a kind, a place and a number, so that a failure is short to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import strategies as st

#: in place of a number or a word
WORDS: Final = (
    b"nan", b"inf", b"-1", b"0", b"1", b"1e308", b"-1e400", b"999999999999", b"9" * 400, b"1" * 5000, b"0x10", b"1_0",
    b"", b"\xff\xfe", b"null", b"true", b"[]", b"{}", b'"', b"../x", b"/", b"\x00", b"\xd9\xa3", b"[" * 2000,
    b"<![CDATA[", b"%s", b"-0", b"1.5", b"[1, 2]", b"'", b"#", b"2147483648",
)  # fmt: skip
#: in place of some bytes: lengths and counts that cannot be
NUMBERS: Final = tuple(n.to_bytes(8, "little") for n in (0, 1, 255, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1))
TOKEN: Final = re.compile(rb"[-+\w.]+")
#: a kind, a place as a share of the length, and a number that the kind interprets
Damage = tuple[str, float, int]


def damaged(content: bytes, damages: Sequence[Damage]) -> bytes:
    """Return bytes with some damages, one after the other."""
    for kind, place, number in damages:
        content = KINDS[kind](content, int(place * len(content)), number)
    return content


def _truncate(content: bytes, at: int, number: int) -> bytes:
    return content[:at]


def _flip(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + bytes(b ^ (1 << number % 8) for b in content[at : at + 1]) + content[at + 1 :]


def _insert(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + number.to_bytes(8, "little")[: 1 + number % 8] + content[at:]


def _overwrite(content: bytes, at: int, number: int) -> bytes:
    value = NUMBERS[number % len(NUMBERS)][: (1, 2, 4, 8)[number // 8 % 4]]
    return content[:at] + value + content[at + len(value) :]


def _swap(content: bytes, at: int, number: int) -> bytes:
    first, second = sorted((at, number % (len(content) + 1)))
    length = min(1 + number // 7 % 64, second - first)
    a, b = content[first : first + length], content[second : second + length]
    return content[:first] + b + content[first + length : second] + a + content[second + length :]


def _remove(content: bytes, at: int, number: int) -> bytes:
    return content[:at] + content[at + 1 + number % 200 :]


def _word(content: bytes, at: int, number: int) -> bytes:
    found = TOKEN.search(content, at)
    if found is None:
        return content[:at]
    return content[: found.start()] + WORDS[number % len(WORDS)] + content[found.end() :]


def _line(content: bytes, at: int, number: int) -> bytes:
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    one, two = min(content.count(b"\n", 0, at), len(lines) - 1), number % len(lines)
    lines[one] = (b"", lines[one] * 2, lines[two], lines[one].rstrip(b"\n"))[number // 3 % 4]
    return b"".join(lines)


KINDS: Final[dict[str, Callable[[bytes, int, int], bytes]]] = {
    "truncate": _truncate,
    "flip": _flip,
    "insert": _insert,
    "overwrite": _overwrite,
    "swap": _swap,
    "remove": _remove,
    "word": _word,
    "another word": _word,
    "line": _line,
}
DAMAGES: Final = st.lists(
    st.tuples(
        st.sampled_from(sorted(KINDS)),
        st.floats(0, 1, exclude_max=True, allow_subnormal=False),
        st.integers(0, 2**32 - 1),
    ),
    min_size=1,
    max_size=3,
)
