"""Models of a retention record: a drift, and the noise around it."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.devices.retention import AbstractDrift, LogDrift, NoDrift, Retention, StretchedExponential
from charz.fitting.contract import IDENTITY, LOG, LOGIT, Arrays, FreeParameter, Model, Observations, Values
from charz.fitting.retention.candidates import (
    constant_candidates,
    log_drift_candidates,
    stretched_candidates,
)
from charz.fitting.retention.priors import record_priors
from charz.fitting.retention.records import retained_name
from charz.fitting.retention.replicate import constant, log_drift, replicate_records, stretched_exponential
from charz.fitting.retention.wander import (
    TIME_RANGE,
    Windows,
    left_out_density,
    log_density,
    noise_of,
    white_density,
)

# Kept where single precision, too, has room.
LEVEL_RANGE = (1e-35, 1e35)

_LEVEL = FreeParameter("level", LOG, "{retained}", "value at the first sample")
_EXPONENT = FreeParameter("exponent", IDENTITY, "1", "drift in ln R per unit of ln time")
_ONSET = FreeParameter("onset", LOG, "s", "age of the state at the first sample", shared=True)
_CHANGE = FreeParameter("change", IDENTITY, "1", "ln of final over first value")
_TAU = FreeParameter("relaxation_time", LOG, "s", "time constant of the relaxation")
_STRETCH = FreeParameter("stretch", LOGIT, "1", "exponent of the time, 1 for one exponential", shared=True)
_READ = FreeParameter("read_noise", LOG, "1", "sd of ln R from read to read")
_NOISE = (
    FreeParameter("wander", LOG, "1", "sd of the slow wander of ln R"),
    FreeParameter("correlation_time", LOG, "s", "time over which the wander is remembered", shared=True),
    _READ,
)


def _no_drift(values: Values) -> NoDrift:
    return NoDrift(_positive(values["level"]))


def _log_drift(values: Values) -> LogDrift:
    onset = jnp.clip(values["onset"], *TIME_RANGE)
    return LogDrift(_positive(values["level"]), jnp.asarray(values["exponent"]), onset)


def _stretched(values: Values) -> StretchedExponential:
    time = jnp.clip(values["relaxation_time"], *TIME_RANGE)
    level, change = _positive(values["level"]), jnp.asarray(values["change"])
    return StretchedExponential(level, change, time, jnp.asarray(values["stretch"]))


def _positive(level: Array) -> Array:
    return jnp.clip(jnp.asarray(level), *LEVEL_RANGE)


def _wandering(drift: Callable[[Values], AbstractDrift], values: Values) -> Retention:
    noise = (jnp.asarray(values[name]) for name in ("wander", "correlation_time", "read_noise"))
    return Retention(drift(values), *noise)


def _independent(drift: Callable[[Values], AbstractDrift], values: Values) -> Retention:
    read_noise = jnp.asarray(values["read_noise"])
    return Retention(drift(values), jnp.zeros_like(read_noise), jnp.ones_like(read_noise), read_noise)


def residual_of(drift: AbstractDrift, arrays: Arrays) -> Array:
    """Return ln R of the samples of a device without its drift."""
    return jnp.log(arrays[retained_name(arrays)]) - drift.log_retained(arrays["elapsed"])


def windows_of(arrays: Arrays) -> Windows:
    """When a device was sampled."""
    return Windows(arrays["gap"], arrays["window"], arrays["num_averaged"])


def _terms(
    drift: Callable[[Values], AbstractDrift], density: Callable, values: Values, arrays: Arrays
) -> Array:
    return density(residual_of(drift(values), arrays), windows_of(arrays), noise_of(values))


def _independent_terms(values: Values, arrays: Arrays) -> Array:
    residual = residual_of(_log_drift(values), arrays)
    return white_density(residual, arrays["num_averaged"], values["read_noise"])


def _model(
    name: str,
    summary: str,
    shape: tuple[FreeParameter, ...],
    drift: Callable[[Values], AbstractDrift],
    middle: Callable,
    candidates: Callable[[Observations], dict[str, np.ndarray]],
) -> Model:
    free = (_LEVEL, *shape, *_NOISE)
    return Model(
        name=name,
        summary=summary,
        free=free,
        law=partial(_wandering, drift),
        log_likelihood=partial(_terms, drift, log_density),
        left_out=partial(_terms, drift, left_out_density),
        replicate=replicate_records(middle),
        priors=partial(record_priors, free),
        candidates=candidates,
    )


MODELS = (
    _model(
        "log-drift",
        "drift in the logarithm of time (a power law), slow wander, read noise",
        (_EXPONENT, _ONSET),
        _log_drift,
        log_drift,
        log_drift_candidates,
    ),
    _model(
        "stretched-exponential",
        "relaxation to a new level, exp(-(t/tau)^beta) with beta below 1, slow wander, read noise",
        (_CHANGE, _TAU, _STRETCH),
        _stretched,
        stretched_exponential,
        stretched_candidates,
    ),
    _model(
        "no-drift",
        "a constant level with slow wander and read noise: what a drift must beat",
        (),
        _no_drift,
        constant,
        constant_candidates,
    ),
    Model(
        name="log-drift-independent",
        summary="drift in the logarithm of time with independent samples: intervals too narrow where noise has memory",
        free=(_LEVEL, _EXPONENT, _ONSET, _READ),
        law=partial(_independent, _log_drift),
        log_likelihood=_independent_terms,
        replicate=replicate_records(log_drift),
        priors=partial(record_priors, (_LEVEL, _EXPONENT, _ONSET, _READ)),
        candidates=partial(log_drift_candidates, wandering=False),
    ),
)
