"""`Posterior`: what a fit knows, and the devices it can produce."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.atomic import replacing
from charz.errors import FitError
from charz.fitting.contract import BOOKKEEPING, Family, Model, Observations
from charz.fitting.convergence import diagnostics
from charz.fitting.population import draw_devices, population_names, varies
from charz.fitting.registry import family_of, find_model
from charz.fitting.tree import observations_of

INTERVAL = "90 % equal-tailed"
QUANTILES = {"q05": 0.05, "q95": 0.95}
COLUMNS = ("mean", "sd", "q05", "q95", "rhat", "ess_bulk")


class Posterior:
    """Draws of a fitted model with everything that belongs to them.

    Parameters
    ----------
    tree : DataTree
        ArviZ's groups (posterior, sample_stats, log_likelihood, posterior_predictive, prior, prior_predictive,
        observed_data, constant_data); its attributes name model, pooling, units, convergence and provenance.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self.tree = tree

    @property
    def model(self) -> str:
        """Name of the model that was fitted, a key of `charz.fitting.MODELS`."""
        return self.tree.attrs["model"]

    @property
    def drive_range(self) -> tuple[float, float]:
        """Lowest and highest amplitude of `pulse_switching` data: beyond it the curve is an extrapolation."""
        amplitude = self.tree["constant_data"]["amplitude"]
        return float(amplitude.min()), float(amplitude.max())

    @cached_property
    def fit_model(self) -> Model:
        """The model itself: law, free parameters and their scales."""
        return find_model(self.model)

    @cached_property
    def family(self) -> Family:
        """The kind of experiment it belongs to: how such data are read, checked and plotted."""
        return family_of(self.model)

    def observations(self) -> Observations:
        """The data that were fitted, as the likelihood receives them."""
        return self._observations

    @cached_property
    def _observations(self) -> Observations:
        return observations_of(self.tree)

    @property
    def pool(self) -> str:
        """``hierarchical``, ``complete`` or ``none``."""
        return self.tree.attrs["pool"]

    @property
    def drive_unit(self) -> str:
        """Unit of the drive; ``arb`` where it is not known, ``1`` where the experiment has none."""
        return json.loads(self.tree.attrs["units"]).get("drive", "1")

    @property
    def device_names(self) -> list[str]:
        """Names of the measured devices."""
        return [str(name) for name in self.tree["constant_data"]["device"].to_numpy()]

    @property
    def converged(self) -> bool:
        """R-hat, bulk effective sample size and divergences are within their limits."""
        return bool(self.tree.attrs["converged"])

    @property
    def warning(self) -> str | None:
        """What to repeat wherever this posterior is used; None if the chains converged."""
        return None if self.converged else str(self.tree.attrs["convergence"])

    @property
    def prior_predictive(self) -> xr.Dataset:
        """Outcomes expected before the data."""
        return self.tree["prior_predictive"].to_dataset()

    @cached_property
    def flat_draws(self) -> dict[str, np.ndarray]:
        """Draws of all parameters, chains in one row: (draw,) or (draw, device)."""
        posterior = self.tree["posterior"].to_dataset()
        return {
            str(name): values.to_numpy().reshape(-1, *values.shape[2:]) for name, values in posterior.items()
        }

    def law_draws(self) -> dict[str, np.ndarray]:
        """Draws of the law's values in double precision: (chain, draw) or (chain, draw, device)."""
        return {name: self.tree["posterior"][name].to_numpy() for name in self._law_names}

    @cached_property
    def _law_names(self) -> list[str]:
        populations = population_names(self.fit_model, self.pool)
        return [name for name in self.flat_draws if name not in populations]

    def summary(self) -> dict[str, dict[str, Any]]:
        """Mean, sd, 5 % and 95 % quantile, R-hat and bulk effective sample size of every parameter.

        Returns
        -------
        dict
            ``parameters``: by name, of a shared device the numbers, else by device name the numbers;
            ``population``: by name the numbers (empty unless hierarchical).
        """
        posterior = self.tree["posterior"].to_dataset()
        parameters = [n for n, v in posterior.items() if v.attrs.get("role") != BOOKKEEPING]
        posterior = posterior[parameters]
        sample = ("chain", "draw")
        rhat, ess = self._diagnostics(posterior)
        # Draws have no gaps; to look for them, NumPy would go through the devices in a Python loop.
        quantiles = posterior.quantile(list(QUANTILES.values()), sample, skipna=False)
        tables = {
            "mean": posterior.mean(sample),
            "sd": posterior.std(sample, ddof=1),
            **{name: quantiles.isel(quantile=place) for place, name in enumerate(QUANTILES)},
            "rhat": rhat,
            "ess_bulk": ess,
        }
        columns = {what: {str(n): v.to_numpy() for n, v in table.items()} for what, table in tables.items()}
        laws = [name for name in self._law_names if name in posterior]
        populations = [name for name in posterior if name not in laws]
        return {
            "parameters": {name: self._rows(name, columns) for name in laws},
            "population": {str(name): self._rows(str(name), columns) for name in populations},
        }

    def _diagnostics(self, posterior: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
        """R-hat and bulk ESS of chains; of independent draws NaN and the effective number of proposals."""
        if "effective_proposals" not in self.tree.attrs:
            return diagnostics(posterior)
        shape = posterior.isel(chain=0, draw=0, drop=True)
        effective = float(self.tree.attrs["effective_proposals"])
        return xr.full_like(shape, np.nan), xr.full_like(shape, effective)

    def _rows(self, name: str, columns: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
        if columns["mean"][name].ndim == 0:
            return {what: float(columns[what][name]) for what in COLUMNS}
        rows = zip(*(columns[what][name].tolist() for what in COLUMNS), strict=True)
        return {
            device: dict(zip(COLUMNS, row, strict=True))
            for device, row in zip(self.device_names, rows, strict=True)
        }

    def devices(self, key: PRNGKeyArray, num_draws: int) -> Any:
        """Measured devices: joint draws of their parameters.

        Parameters
        ----------
        key : PRNG key
        num_draws : int
            Picked without replacement while there are enough.

        Returns
        -------
        law or device
            Of the model, with leaves (draw, device). Of a completely pooled fit every device is the same one in
            each draw.
        """
        if self.family.devices_from is not None:
            return self.family.devices_from(self, key, num_draws, (len(self.device_names),))
        picked = self._pick(key, num_draws)
        shape = (num_draws, len(self.device_names))
        values = {name: self.flat_draws[name][picked] for name in self._law_names}
        return self._made({n: jnp.broadcast_to(v.reshape(num_draws, -1), shape) for n, v in values.items()})

    def new_devices(self, key: PRNGKeyArray, num_draws: int, shape: tuple[int, ...]) -> Any:
        """Devices nobody has measured.

        Populations are drawn once a draw; each draw's devices come fresh from its own population. A completely
        pooled fit knows no spread between devices: each draw's one device fills the whole array.

        Parameters
        ----------
        key : PRNG key
        num_draws : int
        shape : tuple of int
            Shape of the array of devices.

        Returns
        -------
        law or device
            Of the model, with leaves (draw, *shape).

        Raises
        ------
        FitError
            For a fit without pooling: its devices say nothing about any other.
        """
        if self.pool == "none":
            raise FitError(
                "a fit with pool='none' cannot produce new devices: it has learnt each measured device by itself"
                " and no population; fit with pool='hierarchical'"
            )
        if self.family.devices_from is not None:
            return self.family.devices_from(self, key, num_draws, tuple(shape))
        key_pick, key_devices = jax.random.split(key)
        picked = self._pick(key_pick, num_draws)
        draws = {name: jnp.asarray(values[picked]) for name, values in self.flat_draws.items()}
        if self.pool == "complete":
            column = (num_draws,) + (1,) * len(shape)
            values = {n: draws[n].reshape(column) for n in self._law_names}
            return self._made({n: jnp.broadcast_to(v, (num_draws, *shape)) for n, v in values.items()})
        return self._made(draw_devices(key_devices, self.fit_model, draws, tuple(shape)))

    def draws_behind(self, key: PRNGKeyArray, num_draws: int) -> np.ndarray:
        """Numbers of the draws, all chains in a row, whose populations `new_devices` takes with this key, (draw,)."""
        return self._pick(jax.random.split(key)[0], num_draws)

    def believed(self) -> Any:
        """Typical device, as a controller that has not calibrated each device would believe it.

        On each parameter's linked scale the posterior mean of the population's centre (of all devices' values
        where there is no population), mapped back: mean location, exp of the mean log width, logistic function
        of the mean logit floor.

        Returns
        -------
        law or device
            Of the model, with scalar leaves.
        """
        linked = {}
        for parameter in self.fit_model.free:
            if varies(parameter, self.pool):
                centre = self.flat_draws[f"{parameter.linked_name}_mean"]
            else:
                centre = np.asarray(parameter.link.forward(jnp.asarray(self.flat_draws[parameter.name])))
            linked[parameter.linked_name] = jnp.asarray(centre.mean())
        return self._made(self.fit_model.values_from_linked(linked))

    def _made(self, values: Mapping[str, Any]) -> Any:
        """Devices with these values, and with what all settings of the measurement have in common."""
        return self.family.at_settings(self.fit_model.law(values), self.observations())

    def _pick(self, key: PRNGKeyArray, num_draws: int) -> np.ndarray:
        total = len(next(iter(self.flat_draws.values())))
        return np.asarray(jax.random.choice(key, total, (num_draws,), replace=num_draws > total))

    def save(self, path: Path | str) -> None:
        """Write the tree to netCDF, whole or not at all; the same fit gives the same bytes."""
        encoding = {
            f"/{name}": {variable: {"zlib": True, "complevel": 1} for variable in group.data_vars}
            for name, group in self.tree.children.items()
        }
        with replacing(path) as temporary:
            self.tree.to_netcdf(temporary, engine="netcdf4", encoding=encoding)

    def units(self) -> dict[str, str]:
        """Units of all parameters and populations; ``1`` has no dimension, ``ln(V)`` is a logarithm."""
        return {str(n): str(v.attrs["units"]) for n, v in self.tree["posterior"].data_vars.items()}

    def priors(self) -> list[dict[str, str]]:
        """Table of the priors: name, distribution, unit."""
        return json.loads(self.tree.attrs["priors"])


def load_posterior(path: Path | str) -> Posterior:
    """Read a posterior that `Posterior.save` wrote.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    FitError
        When the file is not a posterior of charz.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        tree = xr.load_datatree(path, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise FitError(f"{path}: not a netCDF file that can be read ({error})") from error
    missing = {"posterior", "constant_data"} - set(tree.children)
    if missing or "model" not in tree.attrs:
        raise FitError(f"{path}: not a posterior written by 'charz fit'")
    return Posterior(tree)
