"""Pseudo-experiments: summaries against closed forms, failures, and runs that were killed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from analytic_ratios import gaussian, sample

from gaussian_fits import gaussian_fit
from simulacra.fits.coverage import clopper_pearson, disjoint_samples, pseudo_experiments
from simulacra.fits.errors import FitError
from simulacra.fits.fit import fit
from simulacra.fits.result import Fit


def test_summary_by_hand() -> None:
    values = [1.0, 2.5, 3.0, 2.0]
    found = pseudo_experiments(lambda value: gaussian_fit(value, 0.6), values, {"mean": 2.0, "unused": 1.0})
    told = found.of("mean")
    off = np.array(values) - 2.0
    assert told.bias == pytest.approx(off.mean())
    assert told.bias_error == pytest.approx(off.std(ddof=1) / 2)
    assert told.bias_percent == pytest.approx(50 * off.mean())
    assert told.pull_mean == pytest.approx(off.mean() / 0.6)
    assert told.pull_width == pytest.approx(off.std(ddof=1) / 0.6)
    assert told.pull_width_error == pytest.approx(told.pull_width / math.sqrt(6))
    assert told.coverage == 0.5
    assert (told.coverage_low, told.coverage_high) == pytest.approx(clopper_pearson(2, 4))
    assert told.mean_error == pytest.approx(0.6)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["summaries"][0]["coverage"] == 0.5


def test_a_truth_of_zero_has_no_per_cent() -> None:
    found = pseudo_experiments(lambda value: gaussian_fit(value, 1.0), [0.1, 0.2], {"mean": 0.0})
    assert math.isnan(found.of("mean").bias_percent)
    assert found.to_json()["summaries"][0]["bias_percent"] is None


def test_too_small_errors_are_found_out() -> None:
    # Errors of half the scatter: pulls are 2 wide and intervals cover 38 %; 200 experiments see that at 8 sigma.
    rng = np.random.default_rng(1)
    told = pseudo_experiments(lambda value: gaussian_fit(value, 0.5), list(rng.normal(0, 1, 200)), {"mean": 0.0}).of(
        "mean"
    )
    assert told.pull_width == pytest.approx(2, abs=4 * 2 / math.sqrt(400))
    assert told.coverage == pytest.approx(0.383, abs=4 * math.sqrt(0.383 * 0.617 / 200))
    assert told.coverage_high < 0.6


def test_real_fits_cover() -> None:
    # False alarm of each statement 6e-5; the pool is shared in no event.
    rng = np.random.default_rng(2)
    pool, reference = rng.normal(0.5, 1, 20_000), sample(rng.normal(0, 1, 10_000))
    samples = [sample(pool[rows]) for rows in disjoint_samples(len(pool), 200, seed=3)]
    found = pseudo_experiments(lambda one: fit([gaussian()], one, reference), samples, {"mean": 0.5})
    told = found.of("mean")
    assert told.experiments == 100
    assert abs(told.bias) < 4 * math.hypot(told.bias_error, math.sqrt(1.3 / 10_000))
    assert abs(told.pull_width - 1) < 4 * told.pull_width_error
    assert abs(told.coverage - 0.683) < 4 * math.sqrt(0.683 * 0.317 / 100)


def test_clopper_pearson() -> None:
    # Closed forms at the ends: 1 - high^n and low^n leave half of the tail.
    tail = (1 - 0.682689492137086) / 2
    assert clopper_pearson(0, 10) == (0.0, pytest.approx(1 - tail ** (1 / 10)))
    assert clopper_pearson(10, 10) == (pytest.approx(tail ** (1 / 10)), 1.0)
    low, high = clopper_pearson(68, 100)
    assert low < 0.68 < high
    assert high - low == pytest.approx(2 * math.sqrt(0.68 * 0.32 / 100), rel=0.15)
    with pytest.raises(ValueError, match="5 of 4"):
        clopper_pearson(5, 4)
    with pytest.raises(ValueError, match="0 of 0"):
        clopper_pearson(0, 0)


def test_samples_are_disjoint() -> None:
    samples = disjoint_samples(105, 10, seed=1)
    assert len(samples) == 10
    assert len(np.unique(np.concatenate(samples))) == 100
    assert np.array_equal(samples[3], disjoint_samples(105, 10, seed=1, samples=5)[3])
    with pytest.raises(ValueError, match="holds 10 disjoint samples of 10, not 11"):
        disjoint_samples(105, 10, seed=1, samples=11)
    with pytest.raises(ValueError, match="holds 0 disjoint samples"):
        disjoint_samples(5, 10, seed=1)
    with pytest.raises(ValueError, match="holds 0 disjoint samples"):
        disjoint_samples(5, 0, seed=1)


def test_failures_count_as_misses() -> None:
    def one(value: float) -> Fit:
        if value < 0:
            raise FitError(f"no minimum for {value}")
        return gaussian_fit(value, 1.0)

    found = pseudo_experiments(one, [1.0, -5.0, 1.2, 0.8], {"mean": 1.0})
    told = found.of("mean")
    assert (told.experiments, told.failed, told.coverage) == (3, 1, 0.75)
    assert found.failures == {1: "no minimum for -5.0"}
    with pytest.raises(FitError, match=r"3 of 4 fits failed; number 0 says: no minimum for -1"):
        pseudo_experiments(one, [-1.0, -2.0, -3.0, 1.0], {"mean": 1.0})


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        pseudo_experiments(lambda value: gaussian_fit(value, 1.0), [], {"mean": 1.0})
    with pytest.raises(ValueError, match="1 truths for 2 samples"):
        pseudo_experiments(lambda value: gaussian_fit(value, 1.0), [1.0, 2.0], [{"mean": 1.0}])
    with pytest.raises(ValueError, match="truth of mean is not given"):
        pseudo_experiments(lambda value: gaussian_fit(value, 1.0), [1.0, 2.0], {"median": 1.0})
    found = pseudo_experiments(lambda value: gaussian_fit(value, 1.0), [1.0], {"mean": 1.0})
    with pytest.raises(ValueError, match="1 pseudo-experiments gave a result"):
        found.of("mean")
    with pytest.raises(ValueError, match="'median' was not fitted"):
        found.of("median")


def test_progress_is_told() -> None:
    told: list[tuple[str, float]] = []
    pseudo_experiments(
        lambda value: gaussian_fit(value, 1.0),
        [1.0, 2.0],
        {"mean": 1.0},
        progress=lambda step, share: told.append((step, share)),
    )
    assert told[1] == ("pseudo-experiment 2 of 2", 0.5)
    assert told[-1][1] == 1.0


class TestJournal:
    def run(self, path: Path, values: list[float], calls: list[float], **run: object):
        def one(value: float) -> Fit:
            calls.append(value)
            return gaussian_fit(value, 1.0)

        return pseudo_experiments(one, values, {"mean": 1.0}, journal=path, run=run)

    def test_continues(self, tmp_path: Path) -> None:
        path, calls = tmp_path / "deep" / "journal.jsonl", []
        first = self.run(path, [1.0, 2.0, 3.0], calls, seed=1)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:2]) + lines[2][: len(lines[2]) // 2])
        again = self.run(path, [1.0, 2.0, 3.0], calls, seed=1)
        assert calls == [1.0, 2.0, 3.0, 2.0, 3.0]
        assert again.to_json() == first.to_json()
        assert path.read_bytes() == b"".join(lines)
        self.run(path, [1.0, 2.0, 3.0], calls, seed=1)
        assert len(calls) == 5

    def test_a_torn_head_is_written_again(self, tmp_path: Path) -> None:
        path, calls = tmp_path / "journal.jsonl", []
        path.write_bytes(b'{"format": "simu')
        self.run(path, [1.0, 2.0], calls)
        assert len(calls) == 2
        path.write_bytes(b"")
        self.run(path, [1.0, 2.0], calls)
        assert len(calls) == 4

    def test_another_run_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        self.run(path, [1.0, 2.0], [], seed=1)
        with pytest.raises(FitError, match="of another run"):
            self.run(path, [1.0, 2.0], [], seed=2)
        with pytest.raises(FitError, match="of another run"):
            self.run(path, [1.0, 2.0, 3.0], [], seed=1)

    @pytest.mark.parametrize("content", [b"precious\n", b"precious", b'{"a": 1}\n', b"[1]\n"])
    def test_other_peoples_files_are_left_alone(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "notes.txt"
        path.write_bytes(content)
        with pytest.raises(FitError, match=r"notes\.txt"):
            self.run(path, [1.0, 2.0], [])
        assert path.read_bytes() == content

    def test_a_killed_process_continues(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        script = textwrap.dedent(
            f"""
            import os, signal, sys
            sys.path.insert(0, {str(Path(__file__).parents[1])!r})
            from pathlib import Path
            from gaussian_fits import gaussian_fit
            from simulacra.fits.coverage import pseudo_experiments

            def one(value):
                if value == 3.0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return gaussian_fit(value, 1.0)

            pseudo_experiments(one, [1.0, 2.0, 3.0], {{"mean": 1.0}}, journal=Path({str(path)!r}), run={{}})
            """
        )
        killed = subprocess.run([sys.executable, "-c", script], check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert killed.returncode == -signal.SIGKILL
        calls: list[float] = []
        self.run(path, [1.0, 2.0, 3.0], calls)
        assert calls == [3.0]
