"""Trains the tiny CaloGAN on two processes: ``tiny_two_processes.py FOLDER``.

It does so in one run, in a run that is stopped and continued, in one that is stopped and left, and in 16 bits. Each
process leaves the hashes of its weights in ``FOLDER/rank-R.json``.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from tiny_calogan import toy_experiment, toy_showers, toy_train, toy_trainer


class Stopped(Exception):
    """What stops the second run."""


def weights_after(run: Path, stop_at: int | None = None, **settings: Any) -> str:
    experiment = toy_experiment(**({"devices": 2, "patience": 1} | settings))
    trainer = toy_trainer(experiment, toy_showers())
    after_step = trainer.family.after_step

    def stopping(step: int) -> None:
        if step == stop_at:
            raise Stopped
        after_step(step)

    trainer.family.after_step = stopping
    if "patience" in settings:
        return _trained(run, experiment, trainer)
    # Each process by itself would see other scores, and stop at another step than the other one.
    trainer.validate = lambda events, rng: {"score": 3.0 + float(os.environ.get("LOCAL_RANK", "0"))}
    return _trained(run, experiment, trainer)


def _trained(run: Path, experiment: Any, trainer: Any) -> str:
    from simulacra.training.checkpoint import data_hash

    toy_train(run, experiment, trainer=trainer)
    players: dict[str, Any] = trainer.family.players()
    return data_hash({f"{p}.{n}": w.detach() for p, m in players.items() for n, w in m.named_parameters()})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    hashes = {"whole": weights_after(folder / "whole")}
    try:
        weights_after(folder / "stopped", stop_at=5)
    except Stopped:
        hashes["stopped"] = weights_after(folder / "stopped")
    hashes["judged"] = weights_after(folder / "judged", patience=None)
    with contextlib.suppress(Stopped):
        weights_after(folder / "left", stop_at=5, patience=None)
    hashes["bf16"] = weights_after(folder / "bf16", patience=None, precision="bf16-mixed")
    (folder / f"rank-{os.environ['LOCAL_RANK']}.json").write_text(json.dumps(hashes), encoding="utf-8")
