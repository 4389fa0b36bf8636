"""Change of the conductance by each pulse of a train."""

import numpy as np
import xarray as xr

from charz.errors import SchemaError
from charz.extract.contract import Extractor, labelled, same_kind
from charz.extract.options import condition

_PULSE = ("device", "cycle", "pulse")


def increments(dataset: xr.Dataset, polarity: str | None = None) -> xr.Dataset:
    """Add the increment of each pulse: ΔG_n = G_n - G_{n-1}, within one cycle of one device.

    The first pulse of a record has no conductance before it, so its increment is NaN, unless the dataset has a
    variable ``conductance_before``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of kind ``pulse_train``.
    polarity : str, optional
        Expression that holds for potentiation (+1, otherwise -1), where the dataset has no ``polarity``.

    Returns
    -------
    xarray.Dataset
        The dataset with ``increment`` and ``conductance_before`` (S), and ``polarity`` where it was asked for.

    Raises
    ------
    SchemaError
        When the dataset has a polarity and an expression for it is given, or ``conductance_before`` is of
        another shape or unit.
    """
    after = dataset["conductance"].values
    stated = "conductance_before" in dataset
    if stated:
        array = dataset["conductance_before"]
        if array.dims != _PULSE or array.attrs.get("units") != "S":
            raise SchemaError(
                f"increments: conductance_before has dims {array.dims} and the unit {array.attrs.get('units')!r}; "
                f"it must have {_PULSE} and 'S' to be subtracted from the conductance"
            )
        before = array.values
    else:
        before = np.concatenate([np.full_like(after[..., :1], np.nan), after[..., :-1]], axis=2)
    variables = {
        "increment": labelled(_PULSE, after - before, "S", "change of the conductance by the pulse"),
        "conductance_before": labelled(_PULSE, before, "S", "conductance before the pulse"),
    }
    rule = "increment = conductance after the pulse - before it, " + (
        "before as measured" if stated else "before = after the previous pulse of the same cycle"
    )
    if polarity is not None:
        if "polarity" in dataset:
            raise SchemaError(
                "increments: the dataset has a variable 'polarity' already; leave the option polarity out, "
                "a measured direction is not overwritten"
            )
        valid = np.isfinite(after)
        up = condition(dataset, polarity, "polarity", _PULSE, valid)
        direction = np.where(valid, np.where(up, 1.0, -1.0), np.nan)
        variables["polarity"] = labelled(_PULSE, direction, "1", "+1 potentiation, -1 depression")
        rule += f"; potentiation where {polarity} ({int(up.sum())} of {int(valid.sum())} pulses)"
    return same_kind(dataset, rule, variables)


EXTRACTOR = Extractor(
    "increments",
    "change of the conductance by each pulse",
    ("pulse_train",),
    "pulse_train",
    {
        "polarity": "expression that holds for potentiation, such as 'amplitude > 0', where nothing else says it"
    },
    increments,
)
