"""The tables of docs/stellar_streams.md."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error

METHODS = {"flows": "two flows (Via Machinae)", "cwola": "CWoLa", "cathode": "CATHODE"}


def gd1(found: dict[str, Any]) -> str:
    """Return purity and efficiency of the candidates of each search, beside published ones."""
    here = found["sky"]["streams"]
    lines = [
        (
            window,
            METHODS[method],
            str(one["regions"]),
            f"{one['p_value']:.1g}",
            str(one["candidates"]),
            with_error(*one["purity"]),
            with_error(*one["efficiency"]),
            with_error(*one["members_share"]),
        )
        for name, one in here["gd1"].items()
        for window, method in [name.split(", ")]
    ]
    for motion, one in here["helped"].items():
        if not motion.startswith("proper_motion"):
            continue
        searched = "φ₁" if motion.endswith("1") else "φ₂"
        lines.append(
            (
                f"photometry, region of the members' motion in {searched}",
                METHODS["cwola"],
                "1",
                f"{one['p_value']:.1g}",
                str(one["candidates"]),
                with_error(*one["purity"]),
                with_error(*one["efficiency"]),
                with_error(*one["members_share"]),
            )
        )
    for name, (purity, efficiency) in here["published"].items():
        lines.append(("published, 21 patches", name, "–", "–", "–", f"{purity:g}", f"{efficiency:g}", "–"))
    heads = ("window", "score", "regions", "chance", "candidates", "purity [%]", "efficiency [%]")
    return table((*heads, "members at random [%]"), lines)


def alarms(found: dict[str, Any]) -> str:
    """Return how often fields without a stream give an alarm."""
    kinds = {"shuffled": "real stars, positions exchanged at random", "smooth": "a smooth model of the stars"}
    lines = [
        (kinds[kind], str(one["fields"]), str(one["alarms"]), with_error(*one["share"]), "5")
        for kind, one in found["sky"]["streams"]["false_alarms"].items()
    ]
    return table(("fields without a stream", "fields", "alarms", "share [%]", "asked [%]"), lines)


def planted(found: dict[str, Any]) -> str:
    """Return the share of planted streams that are found."""
    here = found["sky"]["streams"]["planted"]
    lines = [(size, str(len(here["streams"])), with_error(*one)) for size, one in here["efficiency"].items()]
    return table(("stars of the stream", "streams", "found [%]"), lines)
