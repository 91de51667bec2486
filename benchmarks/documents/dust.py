"""The tables of docs/dust.md."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.tables import table

from simulacra.wording import with_error

MODELS = ("dust-vae", "dust-flow")


def samples(found: dict[str, Any]) -> str:
    """Return distances of samples from patches of test regions."""
    here = found["sky"]["dust"]
    lines = [
        (name, *(with_error(*here[model]["statistics"][name]["model"]) for model in MODELS), with_error(*one["truth"]))
        for name, one in here[MODELS[0]]["statistics"].items()
    ]
    fine = here[MODELS[0]]["fine"]
    lines.append(
        (
            "power at the shortest waves, over Planck's",
            *(with_error(*here[model]["fine"]["model"]) for model in MODELS),
            with_error(*fine["truth"]),
        )
    )
    lines.append(("the same of the decoder's mean alone", with_error(*fine["mean"]), "–", "–"))
    steps = here[MODELS[0]]["steps"]
    made = (with_error(*here[model]["steps"]["model"]) for model in MODELS)
    lines.append(
        (f"kurtosis of steps (test regions: {with_error(*steps['truth'])})", *made, with_error(*steps["other"]))
    )
    areas = (with_error(*here[model]["auc"]["model"]) for model in MODELS)
    lines.append(("AUC of trees on statistics of a patch", *areas, with_error(*here[MODELS[0]]["auc"]["truth"])))
    areas = (with_error(*here[model]["auc without steps"]["model"]) for model in MODELS)
    without = here[MODELS[0]]["auc without steps"]["truth"]
    lines.append(("the same without the kurtosis of steps", *areas, with_error(*without)))
    return table(("", *(f"`{model}`" for model in MODELS), "other regions"), lines)


def leak(found: dict[str, Any]) -> str:
    """Return what a random split claims of patches, beside a model that never saw their regions."""
    here = found["sky"]["dust"]["leak"]
    wheres = (("claimed", "the random split's test patches"), ("unseen", "patches of regions that neither saw"))
    lines = []
    for where, text in wheres:
        one = here[where]
        lines += [
            (
                f"{text}, {name}" if name == "random split" else f"the same, {name}",
                f"{one['n']:,} of {one['regions']} regions",
                f"{one['nearest'][split]:.1f}",
                with_error(*one["bound"][split]),
            )
            for split, name in (("random", "random split"), ("regions", "split by regions"))
        ]
        lines.append(("difference, patch by patch", "", "", with_error(*one["difference"])))
    claimed, unseen = (here[where]["difference"] for where, _ in wheres)
    leaked = claimed[0] - unseen[0], math.hypot(claimed[1], unseen[1])
    lines.append(("the leak, difference of both differences", "", "", with_error(*leaked)))
    return table(("", "patches", "nearest training patch [deg]", "bound on ln p [nat per pixel]"), lines)


def maps(found: dict[str, Any]) -> str:
    """Return coverage and errors of hidden and of seen pixels."""
    here = found["sky"]["dust"]["maps"]
    lines = [
        (
            f"{which}, {where} pixels",
            with_error(*one["coverage 68"]),
            ", ".join(with_error(*third) for third in one["thirds 68"]),
            with_error(*one["coverage 95"]),
            with_error(*one["rms"]),
            f"{one['width 68']:.3f}",
        )
        for where in ("hidden", "seen")
        for which, one in ((which, here[which][where]) for which in ("dust-vae", "Wiener filter"))
    ]
    heads = ("", "in 68 % intervals [%]", "the same at low, middle, high contrast", "in 95 % intervals [%]")
    return table((*heads, "rms of the mean", "half width, 68 %"), lines)
