"""Small datasets of every kind, built by hand."""

import numpy as np
import pytest
import xarray as xr

from charz.kinds import KINDS


@pytest.fixture
def build():
    """Build a dataset: ``build(kind, name=(values, unit), ...)``; dims are the kind's own, devices a, b, ..."""

    def make(kind, /, devices=None, dims=None, **variables):
        known = KINDS[kind]
        arrays = {}
        for name, (values, unit) in variables.items():
            values = np.asarray(values)
            variable = known.variable(name)
            own = (dims or {}).get(name) or (variable.dims if variable else known.dims)
            arrays[name] = (own, values, {"units": unit, "long_name": name})
        dataset = xr.Dataset(arrays, attrs={"experiment": kind, "device_family": "test"})
        names = devices or list("abcdefgh")[: dataset.sizes["device"]]
        return dataset.assign_coords(device=names)

    return make
