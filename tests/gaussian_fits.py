"""The result of a fit of a Gaussian's mean."""

import numpy as np

from simulacra.fits.result import Fit


def gaussian_fit(value: float, error: float) -> Fit:
    zero = np.zeros((1, 1))
    return Fit(
        method="toy",
        parameters=("mean",),
        estimates=np.array([value]),
        event_covariance=np.array([[error**2]]),
        network_covariance=zero,
        calibration_covariance=zero,
        likelihood_covariance=None,
        fixed={},
        bounds={"mean": (-9.0, 9.0)},
        members=np.array([[value]]),
        n_data=1,
        n_reference=1,
        data_effective=1.0,
        reference_effective=1.0,
        objective=0.0,
    )
