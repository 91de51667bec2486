"""The code blocks of docs/: those of a page run in their order, in one folder; commands that are only shown exist."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.documents.blocks import (  # noqa: E402
    Block,
    BlockError,
    agrees,
    blocks,
    check_toml,
    command_lines,
    parse_command,
    run_page,
    written,
)

PAGES = {page.relative_to(ROOT).as_posix(): page for page in sorted((ROOT / "docs").rglob("*.md"))}
#: run by tests of their own: in test_documents.py, and against a server in serving/
ELSEWHERE = ("docs/own_system.md", "docs/service.md")
#: the blocks that are not run, by page, with the reasons that the pages state
NOT_RUN = {
    "docs/calochallenge.md": ["trains for hours on a set of 1 GB", "judges a set of 1 GB"],
    "docs/first_hour.md": ["installs packages"],
    "docs/refinement.md": ["`refine` trains five networks and judges, for a minute and more"],
    "docs/stability.md": ["installs packages"],
    "docs/variable_stars.md": ["needs the archive of ASAS"],
}
#: fewer events than a reader takes, for time; what such a page prints after the first change is not compared with what
#: it shows
FEWER = {
    "docs/dust.md": {"draws=40, chains=2, warm_up=40": "draws=4, chains=1, warm_up=4"},
    # Judged once, not twice, and the report is that of own_arrays.md.
    "docs/first_hour.md": {
        "slice(1500)": "slice(300)",
        "--max-events 500 -o report/": "--max-events 200",
        "steps = 60": "steps = 20",
        "judge geant4.h5 runs/mine --part test -o mine/": "generate runs/mine few.zarr -n 10",
        "-n 2000 --seed 21": "-n 800 --seed 21",
        "-n 1000 --seed 22": "-n 400 --seed 22",
    },
    "docs/pile_up.md": {"50, 1000, seed": "50, 5, seed"},
    "docs/stellar_streams.md": {"toy_field(3000, seed=1, stream=150)": "toy_field(900, seed=1, stream=100)"},
    # systems/test_systems_export.py exports the precise generator.
    "docs/tutorials/fast_simulation.md": {"export calo-eplus -o": "export calogan-eplus -o"},
    "docs/tutorials/jets.md": {"-n 400": "-n 200", "sample(400": "sample(50", "50, 20, seed": "50, 2, seed"},
    "docs/tutorials/own_detector.md": {"-n 400": "-n 200", "steps = 100": "steps = 20", "every = 50": "every = 20"},
    "docs/tutorials/reweight_and_fit.md": {"-n 8000": "-n 1000", "-n 4000": "-n 500"},
}
NEEDS = {
    "geant4": "geant4_pybind",
    "pythia": "pythia8mc",
    "pile_up": "pythia8mc",
    "export": "onnxscript",
    "scheduler=": "distributed",
}


def code_of(page: Path) -> list[Block]:
    return [block for block in blocks(page.read_text(encoding="utf-8")) if block.kind != "indented"]


RUN = [
    name for name, page in PAGES.items() if name not in ELSEWHERE and any(not block.not_run for block in code_of(page))
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.geant4 if "simulate geant4 " in PAGES[name].read_text() else ())
        for name in RUN
    ],
)
def test_the_blocks_of_a_page_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    used = "".join(f"{block.first}{block.code}" for block in code_of(PAGES[name]))
    for word, module in NEEDS.items():
        if word in used and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    first_changed = len(text)
    for old, new in FEWER.get(name, {}).items():
        assert old in text, f"{name} has no '{old}' any more"
        first_changed = min(first_changed, text.index(old))
        text = text.replace(old, new)
    page = tmp_path / "page" / Path(name).name
    page.parent.mkdir()
    page.write_text(text, encoding="utf-8")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    printed = run_page(page)
    assert printed
    last_line = text.count("\n", 0, first_changed)
    for block, said, _ in printed:
        if block.shown is not None and block.line + block.code.count("\n") <= last_line:
            assert agrees(block.shown, said), f"{name}, line {block.line}, prints\n{said}"


@pytest.mark.parametrize("name", ["README.md", *PAGES])
def test_commands_that_are_shown_exist(name: str) -> None:
    for block in blocks((ROOT / name).read_text(encoding="utf-8")):
        if block.kind in ("sh", "indented"):
            for words in command_lines(block.code):
                parse_command(words)


def test_what_is_not_run_is_listed() -> None:
    found = {name: [block.not_run for block in code_of(page) if block.not_run] for name, page in PAGES.items()}
    assert {name: reasons for name, reasons in found.items() if reasons} == NOT_RUN


PAGE = """# Page

<!-- first: python
a = 1
-->

```python
b = a + 1
print("b is", b)
```

```text
b is 2
```

`folder/settings.toml`:

```toml
name = "x"
data = {path = "x.zarr"}
system = {kind = "calogan"}
```

<!-- not run: takes an hour -->

```sh
simulacra generate calo-eplus out.zarr -n 5 && simulacra judge a.zarr out.zarr  # a comment
```

Text:

    simulacra simulate fields -n 4 --seed 1 \\
      --form lognormal fields.zarr
    $ ls

After.

```sh
cat folder/settings.toml | head -n 1
```
"""


def test_blocks_are_found_with_their_marks() -> None:
    python, toml, hour, indented, cat = blocks(PAGE)
    assert (python.line, python.first, python.shown) == (8, (("python", "a = 1\n"),), "b is 2\n")
    assert (toml.kind, toml.name) == ("toml", "folder/settings.toml")
    assert (hour.not_run, cat.not_run) == ("takes an hour", "")
    assert (indented.kind, indented.line) == ("indented", 32)
    assert [len(words) for words in command_lines(hour.code)] == [6, 4]
    assert command_lines("$ simulacra --version\nsimulacra 0.1.0\n") == [["simulacra", "--version"]]


def test_a_page_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text(PAGE.replace("    $ ls\n", ""), encoding="utf-8")
    printed = run_page(tmp_path / "page.md")
    assert [said for _, said, _ in printed] == ["b is 2\n", "", 'name = "x"\n']
    stale = PAGE.replace("b is 2\n```", "old\n```")
    assert "b is 2\n```" in written(stale, [(blocks(stale)[0], "b is 2\n", 0.0)])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("simulacra generate calo-eplus out.zarr --no-such 1", "No such option"),
        ("simulacra simulate nothing out.zarr", "there is no such command"),
        ("simulacra generate calo-eplus", "Missing argument"),
        ("simulacra train experiments/no-such.toml", "there is no experiments/no-such.toml"),
    ],
)
def test_a_command_that_does_not_exist_is_refused(command: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BlockError, match=message):
        parse_command(command.split())
    page = tmp_path / "page.md"
    page.write_text(f"text\n\n    {command}\n", encoding="utf-8")
    with pytest.raises(BlockError, match=r"page.md, line 3"):
        run_page(page)


@pytest.mark.parametrize("code", ["simulacra generate nothing out.zarr -n 5", "cat no-such-file"])
def test_a_command_that_fails_is_refused(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text(f"```sh\n{code}\n```\n", encoding="utf-8")
    with pytest.raises(BlockError, match="ended with"):
        run_page(tmp_path / "page.md")


def test_settings_are_checked() -> None:
    with pytest.raises(BlockError, match="Field required"):
        check_toml('name = "x"\n')
    with pytest.raises(BlockError, match="cores"):
        check_toml('kind = "slurm"\n')
    with pytest.raises(BlockError, match="lateral_size"):
        check_toml('name = "x"\nsections = []\n')


@pytest.mark.parametrize(
    ("shown", "said", "right"),
    [
        ("a 1.5 ± 2e-3\n", "a 27 ± 0.1\n", True),
        ("a 1 of b\n", "a 1 of c\n", False),
        ("first\n...\nlast\n", "first\nmore\nlast\n", True),
        ("first\n...\n", "first\nmore\n", True),
        ("first\n", "first\nmore\n", False),
        ("x  -1\n", "x 1\n", True),
    ],
)
def test_what_is_printed_is_compared_but_for_numbers(shown: str, said: str, right: bool) -> None:
    assert agrees(shown, said) is right
