"""THE contract of fitting: what a family of experiments and each of its models must say, so that one `fit` serves all.

A `Model` is written for ONE device; everything here that runs over devices, chains and draws is done once, outside.
Adding a model is adding one `Model` to its family; adding a kind of experiment is adding one `Family`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from charz.fitting.priors import Prior

Values = Mapping[str, Any]
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Link:
    """A one-to-one map from the natural range of a parameter to the real line, on which devices vary.

    Parameters
    ----------
    prefix : str
        Put before the parameter's name where a value on the linked scale is shown, for example ``log_width``.
    forward, inverse : callable
        Natural to linked scale, and back.
    """

    prefix: str
    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


# Attribute ``role`` of numbers that a posterior carries beside its parameters.
BOOKKEEPING = "bookkeeping"

IDENTITY = Link("", lambda value: value, lambda value: value)
LOG = Link("log_", jnp.log, jnp.exp)
LOGIT = Link("logit_", jax.scipy.special.logit, jax.nn.sigmoid)
ATANH = Link("atanh_", jnp.arctanh, jnp.tanh)


@dataclass(frozen=True)
class FreeParameter:
    """A free parameter of a model.

    Parameters
    ----------
    name : str
        Name on the natural scale.
    link : Link
        Scale on which the parameter has its population, a normal distribution.
    unit : str
        Unit of the natural value; names in braces stand for units of the data, as in ``{drive}`` or ``1/{time}``.
    meaning : str
        A few words for tables and labels.
    shared : bool
        One value for all devices also in a hierarchy: what belongs to the material, or what a single device
        cannot tell.
    """

    name: str
    link: Link
    unit: str
    meaning: str
    shared: bool = False

    @property
    def linked_name(self) -> str:
        """Name on the linked scale: ``location``, ``log_width``, ``logit_floor``."""
        return self.link.prefix + self.name


@dataclass(frozen=True)
class Observations:
    """Measured values and their settings as plain arrays in double precision, ready for a likelihood.

    Parameters
    ----------
    devices : tuple of str
        Names of the devices.
    arrays : mapping
        All that the likelihood needs, device along the leading axis. Never NaN: a NaN under a zero weight would
        still poison the gradient, so padding holds a harmless stand-in.
    observed : tuple of str
        Those of the arrays that are outcomes, (device, *dims); the others are settings.
    dims : tuple of str
        Names of the axes after the device: ``("setting",)``, ``("cycle",)``, ...
    measured : array of bool (device, *dims)
        False marks padding and missing values.
    units : mapping
        Unit of every array, and of the names in braces in `FreeParameter.unit`; ``arb`` where not known.
    long_names : mapping
        A few words for each array.
    integers : tuple of str
        Arrays that hold counts.
    remarks : tuple of str
        What was left out or reinterpreted; every result repeats it.
    blocks : array of bool (device, block), optional
        Where one term of the log likelihood stands for a run of outcomes, as in a long record: which terms exist.
    """

    devices: tuple[str, ...]
    arrays: Mapping[str, np.ndarray]
    observed: tuple[str, ...]
    dims: tuple[str, ...]
    measured: np.ndarray
    units: Mapping[str, str]
    long_names: Mapping[str, str] = field(default_factory=dict)
    integers: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    blocks: np.ndarray | None = None

    def unit_of(self, parameter: FreeParameter) -> str:
        """Unit of a parameter's natural value."""
        return parameter.unit.format(**self.units)

    def linked_unit(self, parameter: FreeParameter) -> str:
        """Unit of its linked value: ``ln(V)`` marks the logarithm of a value in volts."""
        natural = self.unit_of(parameter)
        if parameter.link.prefix == "log_":
            return f"ln({natural})"
        return "1" if parameter.link.prefix else natural


def as_given(values: Values) -> dict[str, Any]:
    """Take the free values as the law's values: the default of `Model.natural`."""
    return dict(values)


def no_more_units(observations: "Observations") -> dict[str, str]:
    """Say that all values but the free ones have no unit: the default of `Model.shown_units`."""
    del observations
    return {}


def no_latents(observations: Observations) -> dict[str, np.ndarray]:
    """Say that a model has no latent variables: the default of `Model.latents`."""
    del observations
    return {}


@dataclass(frozen=True)
class Model:
    """A model of one device, and what is needed to start, to simulate and to show it.

    Parameters
    ----------
    name : str
        What the user types after ``--model``; unique over all families.
    summary : str
        One line for lists of models.
    free : tuple of FreeParameter
        Parameters that are estimated, in a fixed order.
    law : callable
        From the values of `natural` to the law or device of `charz.devices` that is likelihood and simulator
        alike; leaves have the shape of the values.
    log_likelihood : callable
        ``(values, arrays) -> terms`` in nats, for ONE device: values are scalars (latents have the shape of the
        measurement), arrays lack the device axis; one term an observation (or a block of them), 0 at padding; their
        sum is the log likelihood of the device. Pure JAX, finite value and gradient everywhere.
    replicate : callable
        ``(generator, values, observations) -> {name: array}``: outcomes that devices with these values would
        have given at the same settings, for every name in ``observations.observed``. Values are NumPy arrays
        (sample, device), results (sample, device, *dims).
    priors : callable
        ``observations -> {linked name: (prior of the typical device, prior of the spread)}``, scaled to the
        settings, never to the outcomes' fit.
    candidates : callable
        ``observations -> {name: array (device or 1, candidate)}``: natural values among which the search for
        each device's mode starts; the same number of candidates for every name.
    natural : callable
        From free values on their natural scale to all values shown and given to `law` and `log_likelihood`.
    shown_units : callable
        ``observations -> {name: unit}`` of the values that `natural` adds; 1 where not named.
    latents : callable
        ``observations -> {name: mask (device, *dims)}``: standard normal variables, one where the mask holds;
        they reach `log_likelihood` among the values, 0 elsewhere.
    left_out : callable, optional
        Like `log_likelihood`, but each term is the log density of one observation given ALL others of its device
        (what leave-one-out needs); to be given where outcomes depend on each other. By default the terms of
        `log_likelihood`, which are that where outcomes are independent.
    subsample : callable, optional
        ``observations -> observations or None``: a part of a long record, on which the mode is looked for first;
        None where the record is short enough.
    laplace_above : int, optional
        Number of outcomes above which NUTS over the whole record would take too long, and ``method="auto"``
        takes a Laplace approximation, checked by Pareto-smoothed importance sampling.
    free_in : callable, optional
        ``observations -> parameters`` in place of `free`, where their number depends on the data: only for a family
        with an inference of its own.
    """

    name: str
    summary: str
    free: tuple[FreeParameter, ...]
    law: Callable[[Values], Any]
    log_likelihood: Callable[[Values, Arrays], Array]
    replicate: Callable[[np.random.Generator, Mapping[str, np.ndarray], Observations], dict[str, np.ndarray]]
    priors: Callable[[Observations], dict[str, tuple[Prior, Prior]]]
    candidates: Callable[[Observations], dict[str, np.ndarray]]
    natural: Callable[[Values], dict[str, Any]] = as_given
    shown_units: Callable[[Observations], dict[str, str]] = no_more_units
    latents: Callable[[Observations], dict[str, np.ndarray]] = no_latents
    left_out: Callable[[Values, Arrays], Array] | None = None
    subsample: Callable[[Observations], Observations | None] | None = None
    laplace_above: int | None = None
    free_in: Callable[[Observations], tuple[FreeParameter, ...]] | None = None

    def parameters(self, observations: Observations) -> tuple[FreeParameter, ...]:
        """Parameters that are estimated from these observations."""
        return self.free if self.free_in is None else self.free_in(observations)

    def values_from_linked(self, linked: Values) -> dict[str, Any]:
        """All values of the law from the free ones on their linked scales."""
        return self.natural({p.name: p.link.inverse(linked[p.linked_name]) for p in self.free})

    def law_from_linked(self, linked: Values) -> Any:
        """Build the law from free parameters on their linked scales."""
        return self.law(self.values_from_linked(linked))


@dataclass(frozen=True)
class Discrepancy:
    """A number that tells data of one model from data of another.

    Parameters
    ----------
    name, meaning : str
    function : callable
        From what `Family.situation` returns to an array (sample,).
    applies : callable
        Whether it says anything about these observations, for example one about differences between devices.
    """

    name: str
    meaning: str
    function: Callable[[Any], np.ndarray]
    applies: Callable[[Observations], bool] = lambda observations: True


@dataclass(frozen=True)
class Family:
    """One kind of experiment: how its dataset is read for fitting, which models suit it, how they are checked.

    Parameters
    ----------
    experiment : str
        Kind of the dataset, a key of `charz.kinds.KINDS`.
    models : tuple of Model
        The first is the one to try first.
    observe : callable
        ``dataset -> Observations``; raises `FitError` for a dataset it cannot use.
    require_information : callable
        ``(observations, model, pool) -> None``; raises `FitError` with the reason where the data cannot answer.
    situation : callable
        ``(model, data, values, observations) -> situation``: data are outcomes (sample or 1, device, *dims) by
        name, values (sample, device); the situation is what discrepancies look at.
    discrepancies : tuple of Discrepancy
    curves : callable
        ``(posterior, key) -> Dataset``: arrays of the plot, with units.
    plot : callable
        ``(curves, path, title) -> None``: draws them to a PNG file.
    min_devices : int
        Devices from which on a population can be learnt.
    for_checks : callable
        ``observations -> observations``: the part that checks replicate, where a whole record would not fit in
        memory a hundred times.
    at_settings : callable
        ``(devices, observations) -> devices``: gives the devices what they share with the measurement and no
        parameter says, such as the one pulse width of all settings.
    checked : callable
        ``dataset -> dataset``: the part whose data are checked, where a whole record would not fit in memory.
    infer : callable, optional
        ``(dataset, model, key, draws, chains, progress) -> DataTree``: inference of its own, for models whose
        parameters are not numbers of a device. `fit` adds provenance.
    devices_from : callable, optional
        ``(posterior, key, num_draws, shape) -> devices``, for the same models.
    prior_outcomes : callable, optional
        ``(generator, model, observations, priors, number) -> outcomes (draw, *dims)`` of the first device before the
        data, for the same models.
    """

    experiment: str
    models: tuple[Model, ...]
    observe: Callable[[xr.Dataset], Observations]
    require_information: Callable[[Observations, Model, str], None]
    situation: Callable[[Model, Mapping[str, np.ndarray], Mapping[str, np.ndarray], Observations], Any]
    discrepancies: tuple[Discrepancy, ...]
    curves: Callable[[Any, Any], xr.Dataset]
    plot: Callable[[xr.Dataset, Any, str], None]
    min_devices: int = 3
    for_checks: Callable[[Observations], Observations] = lambda observations: observations
    at_settings: Callable[[Any, Observations], Any] = lambda devices, observations: devices
    checked: Callable[[xr.Dataset], xr.Dataset] = lambda dataset: dataset
    infer: Callable[..., xr.DataTree] | None = None
    devices_from: Callable[..., Any] | None = None
    prior_outcomes: Callable[..., np.ndarray] | None = None
