"""AdamW for small networks: the same steps as torch's, bit for bit, but faster, if every step has all gradients.

For small networks torch's optimizer takes longer than the arithmetic, and the first optimizer of a process loads
torch's compiler, which takes a second and is not used here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8


class AdamW:
    """Decoupled weight decay and Adam (arXiv:1711.05101), with torch's defaults; Adam without decay.

    Parameters
    ----------
    parameters:
        the trained parameters, on a CPU.
    learning_rate, weight_decay:
        of every parameter.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], learning_rate: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._means = [parameter.detach().clone().zero_() for parameter in self._parameters]
        self._squares = [parameter.detach().clone().zero_() for parameter in self._parameters]
        self._steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def step(self) -> None:
        """Make one step along the gradients; a parameter without a gradient does not change."""
        import torch

        self._steps += 1
        size = -self._learning_rate / (1 - BETAS[0] ** self._steps)
        spread = (1 - BETAS[1] ** self._steps) ** 0.5
        with torch.no_grad():
            for parameter, mean, square in zip(self._parameters, self._means, self._squares, strict=True):
                gradient = parameter.grad
                if gradient is None:
                    continue
                if self._weight_decay:
                    parameter.mul_(1 - self._learning_rate * self._weight_decay)
                mean.lerp_(gradient, 1 - BETAS[0])
                square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
                parameter.addcdiv_(mean, square.sqrt().div_(spread).add_(EPSILON), value=size)
