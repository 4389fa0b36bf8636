"""What the table-driven suites need of each model: a measurement to simulate, and data it cannot describe."""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

from charz.fitting.priors import Prior


@dataclass(frozen=True)
class Design:
    """A small measurement and priors under which it is informative.

    Parameters
    ----------
    dataset : Dataset
        Settings of the measurement, with placeholder outcomes.
    priors : mapping
        One for every sampled site: linked names, and ``{linked}_sd`` of a hierarchy.
    pool : str
    draws, warmup : int
        Of each of two chains, in simulation-based calibration.
    """

    dataset: xr.Dataset
    priors: Mapping[str, Prior]
    pool: str = "hierarchical"
    draws: int = 500
    warmup: int = 400


@dataclass(frozen=True)
class Wrong:
    """Data that violate an assumption of a model.

    Parameters
    ----------
    name : str
        What is violated.
    dataset : Dataset
        Simulated by NumPy with a fixed seed.
    model : str
        The wrong model.
    fails : tuple of str
        Checks of which at least one must fail.
    pool : str
    better : str or None
        A model whose leave-one-out density is higher by more than four standard errors.
    """

    name: str
    dataset: xr.Dataset
    model: str
    fails: tuple[str, ...]
    pool: str = "complete"
    better: str | None = None
