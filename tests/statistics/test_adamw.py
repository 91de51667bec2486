"""The classifiers' AdamW makes torch's own steps, bit for bit, and does not load torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from simulacra.statistics.classifiers.adamw import AdamW


@pytest.mark.parametrize("weight_decay", [0.0, 1e-2])
def test_steps_are_torchs_own(weight_decay: float) -> None:
    rng = torch.Generator().manual_seed(1)
    start = [torch.randn(shape, generator=rng) for shape in ((7, 5), (5,), (3, 1, 9), ())]
    ours, theirs = ([one.clone().requires_grad_() for one in start] for _ in range(2))
    optimizers = AdamW(ours, 3e-3, weight_decay), torch.optim.AdamW(theirs, lr=3e-3, weight_decay=weight_decay)
    for step in range(40):
        factor = torch.randn((), generator=rng)
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            # The last parameter gets no gradient, and stays.
            loss = sum(((one * factor).sin() ** 2).sum() for one in parameters[:3])
            assert isinstance(loss, torch.Tensor)
            loss.backward()
            optimizer.step()
        for mine, torchs in zip(ours, theirs, strict=True):
            assert torch.equal(mine, torchs), step
    assert torch.equal(ours[3], start[3])
    assert not torch.equal(ours[0], start[0])


def test_the_compiler_is_not_loaded() -> None:
    code = (
        "import sys, numpy as np\n"
        "from simulacra.statistics.classifiers.classifier import classify\n"
        "rng = np.random.default_rng(1)\n"
        "classify(rng.normal(size=(30, 2)), rng.normal(size=(30, 2)), 'perceptron')\n"
        "assert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
