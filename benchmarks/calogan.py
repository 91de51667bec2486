"""How good are the shipped generators? Each is judged on Geant4 showers not used for training or model choice.

The truth is the shipped reference sample of the same particle, all of it: the shipped weights were trained on another
sample, with other seeds. ``--truth NAME=FILE`` takes a larger one (its test part). Writes one JSON and, for each
generator, its report. Run: ``make bench-calogan``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.records import write_record
from rich.console import Console
from rich.table import Table

from simulacra import judge, load, read, reference, shipped, take_part
from simulacra.reports import write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", nargs="*", default=[], metavar="NAME=FILE", help="Geant4 showers for a generator")
    parser.add_argument(
        "--generators", nargs="*", default=None, help="names, run folders or files; those shipped if not given"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()

    given = dict(text.split("=", 1) for text in arguments.truth)
    result = {}
    for name in arguments.generators or shipped():
        generator = load(name)
        train = None
        if generator.name in given:
            showers = read(given[generator.name])
            truth, train = take_part(showers, "test").load(), take_part(showers, "train").load()
        elif generator.name in reference.names():
            truth = reference.load(generator.name)
        else:
            print(f"{generator.name}: no reference sample is shipped; give one by --truth {generator.name}=FILE")
            continue
        conditions = {condition: truth[condition].values for condition in generator.trained_range}
        generated = generator.sample(truth.sizes["event"], seed=arguments.seed, exact=True, **conditions)
        verdict = judge(
            truth,
            generated,
            train=train,
            generator=generator,
            n_train=int(generator.metadata["training"]["events"]),
            seed=arguments.seed,
        )
        page = write(verdict, arguments.output / generator.name)
        record = verdict.to_json()
        result[generator.name] = {key: record[key] for key in ("verdict", "samples", "findings", "warnings", "seed")}
        print(f"{generator.name}: {verdict.headline} {page}")
    path = arguments.output / "calogan.json"
    write_record(path, result)
    _print(result)
    print(f"written to {path}")


def _print(result: dict[str, dict]) -> None:
    table = Table("judge", "observable", *result)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, record in result.items():
        for finding in record["findings"]:
            if finding["region"]:
                continue
            text = f"{finding['value']:.3g} +- {finding['uncertainty']:.2g}"
            if finding["truth_value"] is not None:
                text += f" ({finding['truth_value']:.3g} +- {finding['truth_uncertainty'] or 0:.2g})"
            rows.setdefault((finding["judge"], finding["observable"]), {})[name] = text
    for (judged_by, observable), values in rows.items():
        table.add_row(judged_by, observable, *(values.get(name, "") for name in result))
    console = Console(width=140)
    console.print(table)
    console.print("in brackets: Geant4 against Geant4 at the same numbers of showers")


if __name__ == "__main__":
    main()
