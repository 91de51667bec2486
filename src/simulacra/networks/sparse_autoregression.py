"""An autoregressive network of sparse sequences: it is evaluated once for each entry above 0, not once for each entry.

The probability of each entry depends on the entries before it. The dependence is a sum over the entries above 0, a
*state*, which dense layers turn into the gates of all later entries at once, as in NADE (arXiv:1605.02226). Between two
entries above 0 the state does not change. The next entry above 0 is therefore found in one evaluation.

In addition each entry above 0 adds directly to the gates after it, by a masked dense layer whose weights depend on the
distance of the two pixels only, and the score of an entry depends directly on the entries in its neighbourhood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra.networks.logistic_mixture import NUMBERS, draw, log_density

#: what the state depends on, for each entry above 0: that it is there, its score, its value
FEATURES: Final = 3
#: what the gates depend on directly: that it is there, its score
DIRECT: Final = 2
#: steepness in a sum of values over that of the mean image, and the highest threshold; of the sum itself, and of the
#: second moment about the centre, in half widths of the image
OF_THE_SUM: Final = (15.0, 1.5)
OF_THE_SPREAD: Final = (60.0, 0.4)
#: bound of these numbers: beyond all images of the training, where a sum is too large already, they say the same
MOST_STEEP: Final = 3.0


def spiral(size: int) -> Tensor:
    """Return rows and columns of the pixels of a square image from the centre outwards, (size^2, 2).

    The first m^2 are the m by m pixels in the centre, for odd m and odd ``size``.
    """
    row = column = size // 2
    places, (down, right), length = [(row, column)], (0, 1), 1
    while len(places) < size * size:
        for _ in range(2):
            for _ in range(length):
                row, column = row + down, column + right
                if 0 <= row < size and 0 <= column < size:
                    places.append((row, column))
            down, right = right, -down
        length += 1
    return torch.tensor(places)


class RelativeWeights(nn.Module):
    """Weights from each entry to each later one, by the distance of their pixels.

    Parameters
    ----------
    places:
        rows and columns of the entries, (E, 2).
    start:
        the first entry that is predicted; P = E - ``start``.
    reach:
        largest distance along an axis; the weights of pixels further apart are 0.
    """

    pairs: Tensor
    distance: Tensor

    def __init__(self, places: Tensor, start: int, reach: int) -> None:
        super().__init__()
        self.start, self.size = start, (len(places), len(places) - start)
        across = 2 * reach + 1
        self.table = nn.Parameter(torch.zeros(across * across, DIRECT))
        difference = places[None, start:] - places[:, None]
        entry = torch.arange(len(places))
        near = (difference.abs().amax(dim=2) <= reach) & (entry[:, None] < entry[None, start:])
        self.register_buffer("pairs", near.nonzero(), persistent=False)
        offset = difference[near] + reach
        self.register_buffer("distance", offset[:, 0] * across + offset[:, 1], persistent=False)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the weights of the entries before ``start``, (start DIRECT, P), and of the others, (P, DIRECT P).

        Those to earlier entries are 0.
        """
        near = functional.embedding(self.distance, self.table)
        weights = near.new_zeros(*self.size, DIRECT).index_put(tuple(self.pairs.unbind(dim=1)), near).transpose(1, 2)
        return weights[: self.start].flatten(0, 1), weights[self.start :].flatten(1)


def neighbours(places: Tensor, start: int, reach: int) -> Tensor:
    """Return the entries within ``reach`` of each predicted one along both axes, (P, (2 reach + 1)^2).

    Where there is none, or it is not before the predicted one, this is E, the number of entries.
    """
    entries, size = len(places), int(places.max()) + 1 + 2 * reach
    grid = torch.full((size, size), entries)
    grid[places[:, 0] + reach, places[:, 1] + reach] = torch.arange(entries)
    step = torch.arange(2 * reach + 1)
    rows, columns = (places[start:, axis, None] + step for axis in (0, 1))
    found = grid[rows[:, :, None], columns[:, None, :]].flatten(1)
    return torch.where(found < torch.arange(start, entries)[:, None], found, entries)


class FixedWeights(nn.Module):
    """The same weights, computed once."""

    earlier: Tensor
    own: Tensor

    def __init__(self, earlier: Tensor, own: Tensor) -> None:
        super().__init__()
        self.register_buffer("earlier", earlier.detach().clone())
        self.register_buffer("own", own.detach().clone())

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return the weights."""
        return self.earlier, self.own


class SparseAutoregression(nn.Module):
    """The entries from ``start`` on of a sequence of pixels, given the entries before them and a class.

    An entry is 0, or above 0 with a score between ``low`` and ``high``; the scores are a mixture of logistic
    distributions.

    Parameters
    ----------
    places:
        rows and columns of the pixels in their order, up to the last that is predicted, (E, 2).
    start:
        the first pixel that is predicted; P = E - ``start``.
    classes:
        number of classes.
    width, depth:
        of the dense layers.
    reach, value_reach:
        of the direct weights (:class:`RelativeWeights`), and of the neighbourhood for scores, in pixels.
    value_width:
        of the layer for scores.
    components:
        of the mixture.
    """

    near: Tensor

    def __init__(
        self,
        places: Tensor,
        start: int,
        classes: int,
        *,
        width: int,
        depth: int,
        reach: int,
        value_reach: int,
        value_width: int,
        components: int,
    ) -> None:
        super().__init__()
        entries = len(places)
        self.start, self.entries, self.later = start, entries, entries - start
        weights, initial = _first_weights(places, classes, width)
        self.initial = nn.Parameter(initial)
        self.steep = _steep(width)
        if start:
            self.earlier = nn.Parameter(weights[:start].flatten(0, 1))
        self.embedding = nn.Parameter(weights[start:].flatten(1))
        layers: list[nn.Module] = [nn.GELU()]
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.GELU()]
        self.hidden = nn.Sequential(*layers)
        self.readout = nn.Linear(width, self.later + value_width)
        self.direct: nn.Module = RelativeWeights(places, start, reach)
        self.register_buffer("near", neighbours(places, start, value_reach), persistent=False)
        self.neighbourhood = nn.Linear(DIRECT * self.near.shape[1], value_width, bias=False)
        self.position = nn.Parameter(0.1 * torch.randn(self.later, value_width))
        mixture = nn.Linear(value_width, NUMBERS * components)
        self.values = nn.Sequential(nn.GELU(), mixture)
        with torch.no_grad():
            # What is steep is large too.
            dense = next(layer for layer in (*self.hidden, self.readout) if isinstance(layer, nn.Linear))
            dense.weight[:, : self.steep] /= MOST_STEEP
            # Apart at the beginning, or all components would learn the same.
            mixture.bias[components : 2 * components] = torch.linspace(-2.0, 2.0, components)

    @torch.no_grad()
    def fit(self, present: Tensor) -> None:
        """Begin with the share of entries above 0, present (N, E), in each gate."""
        share = present[:, self.start :].double().mean(dim=0).clamp(1e-4, 1 - 1e-4)
        self.readout.weight[: self.later] *= 0.1
        self.readout.bias[: self.later] = torch.logit(share).to(self.readout.bias)

    def log_probability(self, features: Tensor, kind: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-probability of each predicted entry's gate, and the log-density of its score, (N, P) each.

        Parameters
        ----------
        features:
            FEATURES of each entry, (N, E, FEATURES): 1 for an entry above 0, its score, its value; 0 for the others.
        kind:
            class, (N,), int64.
        low, high:
            edges of the scores.
        """
        present = features[:, self.start :, 0] > 0
        earlier, own = self.direct()
        state, direct = self._given_earlier(features[:, : self.start], kind, earlier)
        direct = direct + features[:, self.start :, :DIRECT].flatten(1) @ own.reshape(-1, self.later)
        event, entry = present.nonzero(as_tuple=True)
        until = present.to(torch.int64).cumsum(dim=1)
        before, count = until - present.to(torch.int64), until[:, -1]
        # One state after each entry above 0, (N, K + 1, width): the sum of all contributions up to it.
        steps = state.new_zeros(len(state), int(count.max()) + 1, state.shape[1])
        weights = functional.embedding(entry, self.embedding).unflatten(1, (FEATURES, -1))
        contribution = (features[event, entry + self.start, None] @ weights)[:, 0]
        steps = steps.index_put((event, until[event, entry]), contribution)
        # A sum over the first entries as a matrix product is faster than cumsum.
        states = state[:, None] + torch.ones(steps.shape[1], steps.shape[1]).to(steps).tril() @ steps
        used = torch.arange(states.shape[1], device=states.device) <= count[:, None]
        read = self.read(states[used])
        first = torch.cumsum(count + 1, dim=0) - (count + 1)
        rows = first[:, None] + before
        logits = read[:, : self.later].gather(0, rows) + direct
        gate = functional.logsigmoid(torch.where(present, logits, -logits))
        there = functional.pad(features[..., :DIRECT], (0, 0, 0, 1))[event[:, None], self.near[entry]]
        given = read[rows[event, entry], self.later :] + functional.embedding(entry, self.position)
        raw = self.values(given + self.neighbourhood(there.transpose(1, 2).flatten(1)))
        density = log_density(features[event, entry + self.start, 1], raw, low, high)
        return gate, torch.zeros_like(gate).index_put((event, entry), density)

    def draw(
        self,
        pixels: Tensor,
        features: Tensor,
        kind: Tensor,
        noise: Tensor,
        low: Tensor,
        high: Tensor,
        value_of: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> tuple[Tensor, Tensor]:
        """Return values and scores of all entries, (N, E) each, 0 where there is none.

        Parameters
        ----------
        pixels, features:
            values, and FEATURES of each, of the entries before ``start``, (N, start) and (N, start, FEATURES).
        kind, low, high:
            as in :meth:`log_probability`.
        noise:
            (N, 3, P), Gaussian: for the gate, the component and the score of each entry.
        value_of:
            returns the values of scores, and the values as features.
        """
        earlier, own = self.direct()
        state, direct = self._given_earlier(features, kind, earlier)
        # Copies: the loop of an exported graph takes no two views of one tensor.
        threshold = torch.logit(torch.special.ndtr(noise[:, 0]))
        chosen, quantile = torch.special.ndtr(noise[:, 1]), torch.special.ndtr(noise[:, 2])
        place = torch.arange(self.entries + 1, device=noise.device)[None]
        # One entry more stays 0: the neighbours of a pixel at the edge.
        pixels, scores = (functional.pad(one, (0, self.later + 1)) for one in (pixels, features[..., 1]))
        last = torch.full_like(kind[:, None], self.start - 1)

        def unfinished(pixels: Tensor, scores: Tensor, state: Tensor, direct: Tensor, last: Tensor) -> Tensor:  # noqa: ARG001
            return (last < self.entries).any()

        def step(pixels: Tensor, scores: Tensor, state: Tensor, direct: Tensor, last: Tensor) -> tuple[Tensor, ...]:
            """Find the next entry above 0 of each event, draw it, and add it to the state."""
            read = self.read(state)
            above = (read[:, : self.later] + direct > threshold) & (place[:, self.start : -1] > last)
            found, entry = above.any(dim=1, keepdim=True), above.to(torch.int32).argmax(dim=1, keepdim=True)
            near = self.near[entry[:, 0]]
            there = torch.cat([(pixels.gather(1, near) > 0).to(scores), scores.gather(1, near)], dim=1)
            raw = self.values(read[:, self.later :] + self.position[entry[:, 0]] + self.neighbourhood(there))
            score = draw(chosen.gather(1, entry), quantile.gather(1, entry), raw[:, None], low, high)
            value, feature = value_of(score)
            here = found & (place == entry + self.start)
            new = torch.where(found, torch.cat([torch.ones_like(score), score, feature], dim=1), 0.0)
            added = new[:, :, None] * self.embedding[entry[:, 0]].unflatten(1, (FEATURES, -1))
            directly = new[:, :DIRECT, None] * own[entry[:, 0]].unflatten(1, (DIRECT, -1))
            return (
                torch.where(here, value, pixels),
                torch.where(here, score, scores),
                state + added.sum(dim=1),
                direct + directly.sum(dim=1),
                torch.where(found, entry + self.start, self.entries),
            )

        carried: Any = (pixels, scores, state, direct, last)
        if torch.compiler.is_exporting():
            from torch._higher_order_ops import while_loop

            carried = while_loop(unfinished, step, carried)
        else:
            while bool(unfinished(*carried)):
                carried = step(*carried)
        return carried[0][:, :-1], carried[1][:, :-1]

    def read(self, state: Tensor) -> Tensor:
        """Return what states (..., width) say of all later entries: their gates, and what their scores depend on."""
        steep, rest = state.split([self.steep, state.shape[-1] - self.steep], dim=-1)
        read: Tensor = self.readout(self.hidden(torch.cat([MOST_STEEP * torch.tanh(steep / MOST_STEEP), rest], dim=-1)))
        return read

    def _given_earlier(self, features: Tensor, kind: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state (N, width) and the direct part of the gates (N, P), given the entries before ``start``."""
        if not self.start:
            return self.initial[kind], features.new_zeros(features.shape[0], self.later)
        state = self.initial[kind] + features.flatten(1) @ self.earlier
        return state, features[..., :DIRECT].flatten(1) @ weights


def _first_weights(places: Tensor, classes: int, width: int) -> tuple[Tensor, Tensor]:
    """Return weights (E, FEATURES, width) of the entries in the state, and a state to begin with, (classes, width).

    The weights sum values to random combinations of low moments of the image. Some numbers of the state are steep in
    the sum of the values and in their second moment about the centre, each beginning at another threshold: what is
    still to come depends on what is there to a few per cent, which weights of order 1 learn last.
    """
    entries = len(places)
    weights = torch.randn(entries, FEATURES, width) / math.sqrt(FEATURES * 20)
    initial = 0.1 * torch.randn(classes, width)
    middle = (places.max() + places.min()).to(torch.get_default_dtype()) / 2
    y, x = ((places - middle) / middle.clamp(min=1)).unbind(dim=1)
    moments = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], dim=1)
    weights[:, 2] = moments @ torch.randn(moments.shape[1], width)
    every = slice(0, _steep(width) // 3 * 2), slice(_steep(width) // 3 * 2, _steep(width))
    for units, moment, (steepness, highest) in zip(
        every, (moments[:, 0], x * x + y * y), (OF_THE_SUM, OF_THE_SPREAD), strict=True
    ):
        weights[:, :, units] *= 0.1
        weights[:, 2, units] = steepness * moment[:, None]
        initial[:, units] = -steepness * torch.linspace(0.0, highest, units.stop - units.start)
    return weights, initial


def _steep(width: int) -> int:
    """Return how many numbers of a state are steep in sums of values, two thirds in the first moment."""
    return width * 3 // 8
