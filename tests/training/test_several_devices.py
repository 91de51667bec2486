"""The loop on two processes, as on two devices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_two_processes_train_one_network_and_continue_bit_for_bit(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "tiny_two_processes.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    ranks = [json.loads((tmp_path / f"rank-{i}.json").read_text(encoding="utf-8")) for i in range(2)]
    assert ranks[0] == ranks[1], "the processes hold different weights"
    assert ranks[0]["stopped"] == ranks[0]["whole"], "the run that was stopped ended elsewhere"
    for name in ("whole", "stopped"):
        steps = [json.loads(line)["step"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert steps == [4, 8], "each validation stands there once, and patience ran out at the second"
        record = json.loads((tmp_path / name / "record.json").read_text(encoding="utf-8"))
        assert record["training"]["steps"] == 8
