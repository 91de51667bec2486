"""Fields that agree with a measured map: draws of the hidden and the noisy pixels from an autoencoder's posterior."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from simulacra.settings import whole_number

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from simulacra.progress import Progress
    from simulacra.trained import TrainedGenerator

#: steps to the maximum of a posterior, and lengths of a step that are tried
STEPS: Final = 8
LENGTHS: Final = (1.0, 0.5, 0.2, 0.05)
#: fields of the model whose covariance gives the first guess, and their seed
OWN: Final = 3_000
SEED: Final = 7
#: of the derivatives by differences
DIFFERENCE: Final = 1e-2
#: chains begin so many standard deviations about the maximum
APART: Final = 1.2
#: chains that are evaluated at once
AT_A_TIME: Final = 256
#: steps of a proposal: levels and code of a standardised field hang together, and move slowly
LEAPS: Final = 8
#: beyond this the chains of an event do not agree
LARGEST_R_HAT: Final = 1.1


class UnconvergedWarning(UserWarning):
    """The chains of some events do not agree: their intervals are too narrow."""


def constrained_fields(
    model: str | os.PathLike[str] | TrainedGenerator,
    observed: xr.Dataset,
    *,
    draws: int = 50,
    chains: int = 4,
    warm_up: int = 100,
    seed: int = 1,
    progress: Progress | bool = True,
) -> xr.Dataset:
    r"""Draw fields given a noisy map with holes, from the posterior of an autoencoder of fields (``field_vae``).

    With y the observed pixels, H the choice of these, z the levels and the code of a field with the density p(z) that
    the model's flow learned, m(z) the decoded mean, f(z)^2 S the covariance of the scatter about it and N that of the
    noise,

    .. math:: p(z | y) \propto p(z) \; \mathcal N(y; H m(z), f(z)^2 H S H^T + N).

    z is drawn by Hamiltonian Monte Carlo in the metric of the curvature at the maximum, and the field given z exactly,
    as it is Gaussian. The scatter is part of the field: intervals of its pixels are to hold the truth as often as they
    say, as far as the model has learned the fields.

    Parameters
    ----------
    model:
        a shipped name, a run folder or the generator.
    observed:
        events with the array that the model learned, of its shape, its noise as ``uncertainty``, and if pixels are
        hidden a ``mask`` of those that are there; and the conditions of the model, if it has any.
    draws, chains, warm_up:
        draws of each chain, chains of each event, and proposals before the draws.
    seed:
        of all random numbers.
    progress:
        whether to show a progress bar, or a function that is called with each step and the completed share.

    Returns
    -------
    xarray.Dataset
        the array (event, draw, n1, n2) with ``chains`` times ``draws`` draws, and for each event ``acceptance``, and
        ``r_hat``, the split R-hat of its pixels with their variances
        averaged, which is near 1 where the chains agree.

    Raises
    ------
    ValueError
        if the model is no such autoencoder, the shape is another one, or the noise is not given.
    simulacra.events.EventsError
        if the events break the conventions, lack a condition, or have a mask that hides all pixels of an event.

    Warns
    -----
    UnconvergedWarning
        if chains of an event do not agree (r_hat above 1.1).

    Examples
    --------
    >>> import numpy as np, simulacra
    >>> from simulacra.events import variable
    >>> patch = simulacra.load("dust-vae").sample(1, seed=1)
    >>> noise = np.full((1, 32, 32), 0.05, "f4")
    >>> there = np.ones((1, 32, 32), bool)
    >>> there[:, 8:16, 8:16] = False
    >>> about = {"units": "1", "long_name": "noise"}
    >>> observed = patch.assign(
    ...     noise=variable(noise, "y", "x", role="uncertainty", of="log_intensity", **about),
    ...     seen=variable(there, "y", "x", role="mask", **about),
    ... )
    >>> found = simulacra.constrained_fields("dust-vae", observed, draws=40, chains=2, warm_up=40, progress=False)
    >>> found["log_intensity"].shape
    (1, 80, 32, 32)
    """
    import contextlib
    import warnings

    import torch
    import xarray as xr

    from simulacra.models.field_codes import CodedFields
    from simulacra.progress import step_progress
    from simulacra.trained import TrainedGenerator
    from simulacra.trained.find import load_generator

    draws, chains = whole_number(draws, "the number of draws", 1), whole_number(chains, "the number of chains", 1)
    warm_up, seed = whole_number(warm_up, "warm_up", 1), whole_number(seed, "the seed")
    if draws * chains < 4 or draws < 4:
        raise ValueError(f"{draws} draws of a chain tell nothing: draw at least 4")
    generator = model if isinstance(model, TrainedGenerator) else load_generator(model)
    module = generator.module
    if not isinstance(module, CodedFields):
        raise ValueError(  # noqa: TRY004 - a wrong name
            f"'{generator.name}' ({generator.kind}) has no codes of fields: a model of field_vae has"
        )
    name = generator.description["field"]["name"]
    values, noise, there, conditions = _observed(observed, name, module.shape, generator)
    rng = torch.Generator().manual_seed(seed)
    n = len(values)
    result = np.empty((n, chains * draws, *module.shape), dtype=np.float32)
    acceptance, r_hat = np.empty(n), np.empty(n)
    groups = _alike(noise, there)
    with contextlib.ExitStack() as stack:
        shown = progress if callable(progress) else stack.enter_context(step_progress("drawing", show=progress))
        done = 0
        for rows in groups:
            seen = _Seen(module, there[rows[0]].ravel(), noise[rows[0]].ravel())
            for at in range(0, len(rows), max(1, AT_A_TIME // chains)):
                some = rows[at : at + max(1, AT_A_TIME // chains)]
                found = seen.draw(
                    torch.as_tensor(values[some].reshape(len(some), -1)[:, seen.there]),
                    torch.as_tensor(conditions[some]),
                    chains=chains,
                    draws=draws,
                    warm_up=warm_up,
                    rng=rng,
                    shown=lambda share, done=done, some=some: shown("drawing", (done + share * len(some)) / n),
                )
                result[some], acceptance[some], r_hat[some] = found
                done += len(some)
    if (apart := r_hat > LARGEST_R_HAT).any():
        warnings.warn(
            f"the chains of {np.count_nonzero(apart):,} of {n:,} events do not agree (r_hat up to {r_hat.max():.2f}): "
            "draw more, or after a longer warm_up",
            UnconvergedWarning,
            stacklevel=2,
        )
    array = observed[name]
    kept = {axis: observed[axis] for axis in array.dims if axis in observed.coords}
    return xr.Dataset(
        {
            name: (("event", "draw", *array.dims[1:]), result, dict(array.attrs)),
            "acceptance": ("event", acceptance, {"units": "1", "long_name": "share of accepted proposals"}),
            "r_hat": ("event", r_hat, {"units": "1", "long_name": "split R-hat of its pixels"}),
        },
        coords=kept,
    )


def _observed(
    observed: xr.Dataset, name: str, shape: tuple[int, int], generator: TrainedGenerator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return values, noise and presence (N, n1, n2), and conditions (N, C), as the model takes them."""
    from simulacra.events import uncertainty_of, validate
    from simulacra.kinds.description import columns_of
    from simulacra.kinds.fields import observed_pixels

    validate(observed, conditions=list(generator.trained_range), features=[name])
    array = observed[name]
    if array.shape[1:] != shape:
        raise ValueError(
            f"'{generator.name}' learned fields of {shape} pixels; '{name}' has {array.shape[1:]}: cut them "
            "(simulacra.patches, simulacra.sky_patches)"
        )
    error, there = uncertainty_of(observed, name), observed_pixels(observed, name)
    if error is None:
        raise ValueError(f"the noise of '{name}' is not given: add its standard deviation with the role 'uncertainty'")
    there = np.ones(array.shape, bool) if there is None else there
    noise = observed[error].values
    noise = np.broadcast_to(noise.reshape(noise.shape + (1,) * (array.ndim - noise.ndim)), array.shape)
    conditions = columns_of(observed, tuple(generator.trained_range)).numpy()
    return array.values.astype(np.float32), np.where(there, noise, 1.0).astype(np.float32), there, conditions


def _alike(noise: np.ndarray, there: np.ndarray) -> list[np.ndarray]:
    """Return the rows of events with the same noise and the same holes."""
    keys: dict[bytes, list[int]] = {}
    for row, (one, seen) in enumerate(zip(noise, there, strict=True)):
        keys.setdefault(one.tobytes() + seen.tobytes(), []).append(row)
    return [np.array(rows) for rows in keys.values()]


class _Seen:
    """The posterior of events with the same noise and holes: their scatter and noise are diagonal in one basis."""

    def __init__(self, module: Any, there: np.ndarray, noise: np.ndarray) -> None:
        """Diagonalise the scatter of the pixels that are there, (D,), in units of their noise, (D,)."""
        import torch

        self.module, self.there = module, np.flatnonzero(there)
        self.noise = torch.as_tensor(noise[self.there])
        with torch.no_grad():
            encoder = module.autoencoder
            # Rows are the scatter's waves as fields: their products are its covariance.
            self.root = encoder.from_waves(torch.diag(encoder.scatter())).double()
        seen = self.root[:, self.there] / self.noise
        self.power, basis = torch.linalg.eigh(seen.T @ seen)
        self.power = self.power.clamp(min=0).float()
        #: from pixels to that basis, (S, S)
        self.basis = (basis / self.noise[:, None]).float()
        #: covariance of all pixels with those that are there, in that basis, (D, S)
        self.across = (self.root.T @ (self.root[:, self.there] @ (basis / self.noise[:, None]))).float()
        self.root = self.root.float()

    def log_density(self, code: Tensor, observed: Tensor, conditions: Tensor) -> Tensor:
        """Return the log of the posterior up to a constant, (N,), of levels and codes (N, d) given pixels (N, S)."""
        pull, variance = self._pulls(code, observed, conditions)
        found: Tensor = self.module.log_prior(code, conditions) - 0.5 * (pull.square() + variance.log()).sum(dim=1)
        return found

    def _pulls(self, code: Tensor, observed: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is left of the pixels in standard deviations, and the variances of these, (N, S) each."""
        mean, factor = self.module.decode(code, conditions)
        variance = factor[:, None].square() * self.power + 1
        return ((observed - mean[:, self.there]) @ self.basis) * variance.rsqrt(), variance

    def maximum(self, observed: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes (N, d) near the maximum of the posterior, and a factor of its covariance (N, d, d).

        The search begins at the code of the best linear estimate of the field, for far away it finds other maxima.
        """
        import torch

        with torch.no_grad():
            place = self.module.encode(self._linear_estimate(observed, conditions), conditions)
        curvature = self._curvature(place, observed, conditions)
        for _ in range(STEPS):
            with torch.enable_grad():
                at = place.detach().requires_grad_()
                best = self.log_density(at, observed, conditions)
                (gradient,) = torch.autograd.grad(best.sum(), at)
            step = torch.linalg.solve(curvature, gradient[..., None])[..., 0]
            best = best.detach()
            with torch.no_grad():
                for length in LENGTHS:
                    other = at.detach() + length * step
                    value = self.log_density(other, observed, conditions)
                    better = value > best
                    place = torch.where(better[:, None], other, place)
                    best = torch.where(better, value, best)
            curvature = self._curvature(place, observed, conditions)
        # The inverse of the transposed factor of a matrix is a factor of its inverse.
        lower = torch.linalg.cholesky(curvature)
        unit = torch.eye(place.shape[1]).expand_as(lower)
        return place, torch.linalg.solve_triangular(lower.mT, unit, upper=True)

    def _linear_estimate(self, observed: Tensor, conditions: Tensor) -> Tensor:
        """Return fields (N, n1, n2) by a Wiener filter with mean and covariance of the model's own fields."""
        import torch

        rng = torch.Generator().manual_seed(SEED)
        rows = torch.randint(len(conditions), (OWN,), generator=rng)
        with torch.no_grad():
            noise = torch.randn(OWN, self.module.latent, generator=rng)
            pieces = zip(noise.split(AT_A_TIME), conditions[rows].split(AT_A_TIME), strict=True)
            own = torch.cat([self.module(z, c).flatten(1) for z, c in pieces]).double()
        mean, there = own.mean(dim=0), torch.as_tensor(self.there)
        covariance = torch.cov(own.T)
        seen = covariance[there][:, there] + torch.diag(self.noise.double().square())
        left = torch.linalg.solve(seen, (observed.double() - mean[there]).T)
        found: Tensor = (mean + (covariance[:, there] @ left).T).float().unflatten(1, self.module.shape)
        return found

    def _curvature(self, place: Tensor, observed: Tensor, conditions: Tensor) -> Tensor:
        """Return minus the second derivative of the log posterior, as Gauss and Newton have it, (N, d, d).

        That of the prior is taken to be 1: codes are nearly standard normal.
        """
        import torch

        columns = []
        with torch.no_grad():
            for axis in torch.eye(place.shape[1]):
                ahead, behind = (
                    self._pulls(place + sign * DIFFERENCE * axis, observed, conditions)[0] for sign in (1, -1)
                )
                columns.append((ahead - behind) / (2 * DIFFERENCE))
            slopes = torch.stack(columns, dim=1)
            return slopes @ slopes.mT + torch.eye(place.shape[1])

    def draw(
        self, observed: Tensor, conditions: Tensor, *, chains: int, draws: int, warm_up: int, rng: Any, shown: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return fields (N, chains draws, n1, n2), acceptance and r_hat (N,)."""
        import torch

        from simulacra.statistics.hamiltonian import hamiltonian, split_r_hat

        n, (place, factor) = len(observed), self.maximum(observed, conditions)
        many = [one.repeat_interleave(chains, dim=0) for one in (place, factor, observed, conditions)]
        apart = torch.randn(many[0].shape, generator=rng)
        start = many[0] + APART * torch.einsum("nij,nj->ni", many[1], apart)
        found = hamiltonian(
            lambda code: self.log_density(code, many[2], many[3]),
            start,
            many[1],
            draws=draws,
            warm_up=warm_up,
            leaps=LEAPS,
            rng=rng,
            shown=shown,
        )
        fields = torch.stack([self._fields(code, many[2], many[3], rng) for code in found.draws], dim=1)
        fields = fields.unflatten(0, (n, chains)).flatten(1, 2).unflatten(2, self.module.shape)
        by_chain = fields.unflatten(1, (chains, draws)).transpose(0, 1).transpose(1, 2)
        r_hat = split_r_hat(by_chain.flatten(3))
        return fields.numpy(), found.acceptance.unflatten(0, (n, chains)).mean(dim=1).numpy(), r_hat.numpy()

    def _fields(self, code: Tensor, observed: Tensor, conditions: Tensor, rng: Any) -> Tensor:
        """Return a field (N, D) given the code (N, d) and the observed pixels (N, S).

        A drawn scatter with drawn noise is corrected by what its pixels differ by from the observed ones (Hoffman and
        Ribak, ApJ 380 (1991) L5).
        """
        import torch

        with torch.no_grad():
            mean, factor = self.module.decode(code, conditions)
            scatter = factor[:, None] * (torch.randn(mean.shape, generator=rng) @ self.root)
            random = self.noise * torch.randn(observed.shape, generator=rng)
            left = (observed - (mean + scatter)[:, self.there] - random) @ self.basis
            square = factor[:, None].square()
            found: Tensor = mean + scatter + (square * left / (square * self.power + 1)) @ self.across.T
            return found
