"""What embeds events for a classifier: a representation, which has nothing to learn, and a network of its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn

#: events that pass a network at a time
BLOCK: Final = 2000


class EventNetwork(nn.Module, ABC):
    """Events to summaries of fixed length.

    Attributes
    ----------
    variables:
        of the events, that it is given.
    summary:
        length of a summary.
    packed:
        whether what is not there (particles, entries of padded arrays) is left out, which saves time. A matrix
        product's last bits depend on its number of rows: a summary that must not depend on other events by a bit needs
        it to be False.
    """

    variables: tuple[str, ...]
    summary: int
    packed: bool = True

    @property
    def block(self) -> int:
        """Events that pass it at a time where no gradients are needed."""
        return BLOCK

    @abstractmethod
    def fit(self, events: Mapping[str, Tensor]) -> None:
        """Fit the representation to the variables of a sample, each (N, ...)."""

    @abstractmethod
    def represent(self, events: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the network takes, each (N, ...), from the variables of events."""

    @abstractmethod
    def forward(self, represented: Mapping[str, Tensor]) -> Tensor:
        """Return summaries (N, S) of represented events."""
