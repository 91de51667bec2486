"""Write the tables of README.md and docs/ and the models' judged numbers; with ``--check``, report differences.

Run: ``make docs-tables``.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.documents.pages import ROOT, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    arguments = parser.parse_args()
    stale = [page for page, (text, wanted) in written().items() if text != wanted]
    for page, (_, wanted) in written().items():
        if page in stale and not arguments.check:
            (ROOT / page).write_text(wanted, encoding="utf-8")
    if not stale:
        print("all tables are as the results say")
    elif arguments.check:
        print(f"tables differ from benchmarks/results in {', '.join(stale)}: run make docs-tables", file=sys.stderr)
        raise SystemExit(1)
    else:
        print(f"written: {', '.join(stale)}")


if __name__ == "__main__":
    main()
