"""What `charz check` shows of a material: the record with the fitted band, and one sweep of each electrode."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.fitting.keys import generator_from
from charz.fitting.transfer.prediction import current_at, record_and_layer, values_of

NUM_DRAWS = 200
NUM_POINTS = 41
QUANTILES = (0.05, 0.5, 0.95)
# Sweeps go beyond what was measured by this share of the range at either end, to show how little is known there.
BEYOND = 0.5


def transfer_curves(posterior: Any, key: PRNGKeyArray | None = None) -> xr.Dataset:
    """Bands of the measured samples and of sweeps through the middle of all ranges.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key, optional
        For draws and noise; a fixed one by default.

    Returns
    -------
    Dataset
        ``measured`` (sample), ``fitted`` and ``replicated`` (quantile, sample), ``sweep`` (quantile, electrode, point)
        in A; ``voltage`` (electrode, point), ``lowest`` and ``highest`` (electrode) in V.
    """
    generator = generator_from(jax.random.key(0) if key is None else key)
    total = posterior.tree["posterior"]["noise"].size
    picked = generator.permutation(total)[:NUM_DRAWS]
    values, (record, layer) = values_of(posterior, picked), record_and_layer(posterior)
    mean = current_at(record, layer, values, record.voltage)
    replicated = mean + values["noise"][:, None] * generator.standard_normal(mean.shape)
    electrodes = record.voltage.shape[1]
    reach = (1 + 2 * BEYOND) * record.half_range
    voltage = record.middle[:, None] + reach[:, None] * np.linspace(-1, 1, NUM_POINTS)
    points = np.tile(record.middle, (electrodes, NUM_POINTS, 1))
    index = np.arange(electrodes)
    points[index, :, index] = voltage
    sweep = current_at(record, layer, values, points.reshape(-1, electrodes)).reshape(
        -1, electrodes, NUM_POINTS
    )
    current = {"units": "A", "long_name": "output current"}
    volts = {"units": "V", "long_name": "control voltage"}
    return xr.Dataset(
        {
            "measured": ("sample", record.current, current),
            "fitted": (("quantile", "sample"), np.quantile(mean, QUANTILES, axis=0), current),
            "replicated": (("quantile", "sample"), np.quantile(replicated, QUANTILES, axis=0), current),
            "sweep": (("quantile", "electrode", "point"), np.quantile(sweep, QUANTILES, axis=0), current),
            "voltage": (("electrode", "point"), voltage, volts),
            "lowest": ("electrode", record.lowest, volts),
            "highest": ("electrode", record.highest, volts),
        },
        coords={"quantile": list(QUANTILES), "electrode": index},
    )
