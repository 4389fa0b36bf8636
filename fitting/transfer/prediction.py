"""Currents of posterior draws at any voltages, and the draws as devices."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from charz.devices.material import MaterialSurrogate
from charz.fitting.transfer.features import HiddenLayer, hidden_in_volts, hidden_values
from charz.fitting.transfer.models import numbered
from charz.fitting.transfer.record import Record, record_from
from charz.fitting.transfer.tree import WEIGHTS

# Numbers held at once while the units of many draws are evaluated.
CHUNK_NUMBERS = 20_000_000


def current_at(
    record: Record, layer: HiddenLayer, values: Mapping[str, np.ndarray], voltage: np.ndarray
) -> np.ndarray:
    """Mean currents of draws.

    Parameters
    ----------
    record : Record
        What was fitted: it gives the scale of the voltages.
    layer : HiddenLayer
    values : mapping
        As `MaterialDraws.values`.
    voltage : array (point, electrode)
        In V.

    Returns
    -------
    array (draw, point)
        In A.
    """
    linear = values["level"][:, None] + values["slope"] @ (voltage - record.middle).T
    if "output_weight" not in values:
        return linear
    chunk = max(1, CHUNK_NUMBERS // (len(voltage) * len(layer.offset)))
    parts = []
    for start in range(0, len(linear), chunk):
        some = slice(start, start + chunk)
        weights, offsets = hidden_in_volts(
            layer.direction, layer.offset, values["relevance"][some], record.middle, record.half_range
        )
        hidden = hidden_values(voltage, weights, offsets)
        parts.append((hidden @ values["output_weight"][some, :, None])[..., 0])
    return linear + np.concatenate(parts)


def values_of(posterior: Any, picked: np.ndarray) -> dict[str, np.ndarray]:
    """Take `MaterialDraws.values` of some draws out of a posterior."""
    group = {
        str(n): v.to_numpy().reshape(-1)[picked] for n, v in posterior.tree["posterior"].data_vars.items()
    }
    values = {"level": group["level"], "noise": group["noise"]}
    for name in ("slope", "relevance"):
        columns = numbered(name, group)
        if columns:
            values[name] = np.stack([group[column] for column in columns], axis=1)
    if WEIGHTS in posterior.tree.children:
        weight = posterior.tree[WEIGHTS]["output_weight"].to_numpy()
        values["amplitude"] = group["amplitude"]
        values["output_weight"] = weight.reshape(-1, weight.shape[-1])[picked].astype(np.float64)
    return values


def record_and_layer(posterior: Any) -> tuple[Record, HiddenLayer]:
    """Take the fitted record and its hidden layer out of a posterior."""
    constant = posterior.tree["constant_data"].to_dataset().isel(device=0)
    record = record_from(constant, posterior.tree["observed_data"].to_dataset().isel(device=0))
    if "hidden_direction" not in constant:
        return record, HiddenLayer(np.zeros((0, record.voltage.shape[1])), np.zeros(0))
    return record, HiddenLayer(constant["hidden_direction"].to_numpy(), constant["hidden_offset"].to_numpy())


def devices_from(
    posterior: Any, key: PRNGKeyArray, num_draws: int, shape: tuple[int, ...]
) -> MaterialSurrogate:
    r"""Posterior draws of the measured material as devices.

    One material was measured and no population, so every device of the array is that same material: one draw of it
    for each `draw`. A material nobody has measured is another one, about which the record says nothing.

    Parameters
    ----------
    posterior : Posterior
    key : PRNG key
    num_draws : int
        Picked without replacement while there are enough.
    shape : tuple of int
        Shape of the array of devices.

    Returns
    -------
    MaterialSurrogate
        Leaves (draw, \*shape, ...).
    """
    total = posterior.tree["posterior"]["noise"].size
    picked = np.asarray(jax.random.choice(key, total, (num_draws,), replace=num_draws > total))
    values, (record, layer) = values_of(posterior, picked), record_and_layer(posterior)

    def leaf(array: np.ndarray) -> jax.Array:
        column = array.reshape(num_draws, *(1,) * len(shape), *array.shape[1:])
        return jnp.asarray(np.broadcast_to(column, (num_draws, *shape, *array.shape[1:])))

    hidden_weights: tuple[jax.Array, ...] = ()
    hidden_offsets: tuple[jax.Array, ...] = ()
    if "output_weight" in values:
        weights, offsets = hidden_in_volts(
            layer.direction, layer.offset, values["relevance"], record.middle, record.half_range
        )
        hidden_weights, hidden_offsets = (leaf(weights),), (leaf(offsets),)
    ranges = [np.broadcast_to(end, (num_draws, end.size)) for end in (record.lowest, record.highest)]
    return MaterialSurrogate(
        hidden_weights=hidden_weights,
        hidden_offsets=hidden_offsets,
        output_weight=leaf(values.get("output_weight", np.zeros((num_draws, 0)))),
        slope=leaf(values["slope"]),
        intercept=leaf(values["level"] - values["slope"] @ record.middle),
        noise=leaf(values["noise"]),
        lowest=leaf(ranges[0]),
        highest=leaf(ranges[1]),
        clip=leaf(np.full(num_draws, np.inf)),
        activation="erf",
    )
