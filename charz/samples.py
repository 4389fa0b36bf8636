"""Rows of a `transfer` record to samples by electrode."""

import numpy as np
import xarray as xr

from charz.kinds import Kind
from charz.rows import Rows


def to_samples(kind: Kind, rows: Rows) -> xr.Dataset:
    """Arrange rows as samples; the columns ``voltage[0]``, ``voltage[1]``, ... become the electrodes.

    Rows of several files follow one another; ``record`` counts the files. Columns of devices and cycles label the
    samples.

    Parameters
    ----------
    kind : Kind
        ``transfer``.
    rows : Rows

    Returns
    -------
    xarray.Dataset
        Dims (sample, electrode).
    """
    variables = {}
    grouped: dict[str, list[str]] = {}
    for name in rows.values:
        grouped.setdefault(name.partition("[")[0], []).append(name)
    for name, columns in grouped.items():
        variable = kind.variable(name)
        dims = variable.dims if variable else ("sample", "electrode")[: 1 + (len(columns) > 1)]
        table = np.stack([rows.values[column] for column in columns], axis=1)
        attrs = {"units": rows.units[columns[0]], "long_name": variable.long_name if variable else name}
        variables[name] = (dims, table if len(dims) > 1 else table[:, 0], attrs)
    coords = {"electrode": ("electrode", np.arange(len(grouped["voltage"])), {"long_name": "electrode"})}
    if len(rows.lines) > 1:
        record = np.repeat(np.arange(len(rows.lines)), list(map(len, rows.lines)))
        coords["record"] = ("sample", record, {"long_name": "number of the file"})
    if len(rows.names) > 1:
        coords["device"] = ("sample", np.asarray(rows.names)[rows.device], {"long_name": "device"})
    if "cycle" in rows.labels:
        coords["cycle"] = ("sample", np.asarray(rows.labels["cycle"]), {"long_name": "cycle"})
    return xr.Dataset(variables, coords=coords)
