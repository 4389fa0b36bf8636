"""Models of threshold distributions: what varies, the law it makes, and how it is simulated."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from charz.devices.threshold_mixture import WeibullMixtureThreshold
from charz.devices.threshold_ramp import ThermalBarrier
from charz.devices.threshold_series import SerialThreshold
from charz.devices.thresholds import (
    AbstractThresholdLaw,
    GumbelThreshold,
    LognormalThreshold,
    WeibullThreshold,
)
from charz.fitting.contract import (
    ATANH,
    IDENTITY,
    LOG,
    LOGIT,
    Arrays,
    FreeParameter,
    Model,
    Observations,
    Values,
    as_given,
    no_more_units,
)
from charz.fitting.priors import Prior
from charz.fitting.ramp import replicate, starts
from charz.fitting.ramp.likelihood import threshold_terms
from charz.fitting.ramp.priors import priors_of
from charz.fitting.ramp.serial import (
    chain_terms,
    latent_places,
    left_out_terms,
    left_out_wander_terms,
    wander_terms,
)

ATTEMPT_TIME = 1e-9
LARGEST_SEPARATION = 60.0

SCALE = FreeParameter("scale", LOG, "{drive}", "drive below which 63 % of the ramps switch")
SHAPE = FreeParameter("shape", LOG, "1", "shape: large where thresholds are alike")
LOCATION = FreeParameter("location", IDENTITY, "{drive}", "drive below which 63 % of the ramps switch")
WIDTH = FreeParameter("width", LOG, "{drive}", "width; the standard deviation is 1.28 times it")
MEDIAN = FreeParameter("median", LOG, "{drive}", "median threshold")
SPREAD = FreeParameter("spread", LOG, "1", "standard deviation of ln(threshold)")
STABILITY = FreeParameter("thermal_stability", LOG, "1", "barrier without drive over kT")
CRITICAL = FreeParameter("critical", LOG, "{drive}", "drive at which the barrier vanishes")
DRIFT = FreeParameter("drift", IDENTITY, "1/(1000 cycles)", "change of ln(threshold) in 1000 cycles")
CORRELATION = FreeParameter(
    "correlation", ATANH, "1", "correlation of successive cycles (of normal scores)", shared=True
)
PERSISTENCE = FreeParameter(
    "persistence", ATANH, "1", "correlation of the slow wander from cycle to cycle", shared=True
)
CHAIN_SHARE = FreeParameter(
    "chain_share", LOGIT, "1", "share of the wander in the variance of normal scores", shared=True
)
SERIES = {
    "drift": (
        (CORRELATION,),
        "serial correlation, AR(1) of normal scores",
        chain_terms,
        left_out_terms,
    ),
    "wander": (
        (PERSISTENCE, CHAIN_SHARE),
        "a slow wander, AR(1), under fresh noise in every cycle",
        wander_terms,
        left_out_wander_terms,
    ),
}
MIXTURE = (
    FreeParameter("scale_low", LOG, "{drive}", "scale of the lower component"),
    FreeParameter("separation", LOG, "1", "logarithm of the ratio of both scales", shared=True),
    FreeParameter("shape_low", LOG, "1", "shape of the lower component", shared=True),
    FreeParameter("shape_high", LOG, "1", "shape of the higher component", shared=True),
    FreeParameter("weight_low", LOGIT, "1", "share of ramps that follow the lower component"),
)


def law_at(device: Any, settings: Arrays) -> AbstractThresholdLaw:
    """Law of each ramp of a device: at its ramp rate, at its place in the record."""
    if isinstance(device, ThermalBarrier):
        return device.ramped(settings["ramp_rate"])
    if isinstance(device, SerialThreshold):
        return device.at(settings["kilocycles"])
    return device


def _with_mean(law: Callable[[Values], Any]) -> Callable[[Values], dict[str, Any]]:
    """Show the mean threshold beside the parameters."""

    def natural(values: Values) -> dict[str, Any]:
        return {**values, "mean": law(values).mean()}

    return natural


def _drive_units(*names: str) -> Callable[[Observations], dict[str, str]]:
    return lambda observations: dict.fromkeys(names, observations.units["drive"])


def _independent(law: Callable[[Values], Any]) -> Callable[[Values, Arrays], Array]:
    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return threshold_terms(law_at(law(values), arrays), arrays)

    return log_likelihood


def _priors(free: tuple[FreeParameter, ...]) -> Callable[[Observations], dict[str, tuple[Prior, Prior]]]:
    def priors(observations: Observations) -> dict[str, tuple[Prior, Prior]]:
        known = priors_of(observations)
        return {p.linked_name: known[p.linked_name] for p in free}

    return priors


def _model(
    name: str,
    summary: str,
    free: tuple[FreeParameter, ...],
    law: Callable[[Values], Any],
    simulate: replicate.Replicate,
    candidates: starts.Candidates,
) -> Model:
    """Model of independent thresholds."""
    return Model(
        name=name,
        summary=summary,
        free=free,
        law=law,
        log_likelihood=_independent(law),
        replicate=simulate,
        priors=_priors(free),
        candidates=candidates,
        natural=_with_mean(law),
        shown_units=_drive_units("mean"),
    )


def _weibull(values: Values) -> WeibullThreshold:
    return WeibullThreshold(values["scale"], values["shape"])


def _gumbel(values: Values) -> GumbelThreshold:
    return GumbelThreshold(values["location"], values["width"])


def _lognormal(values: Values) -> LognormalThreshold:
    return LognormalThreshold(values["median"], values["spread"])


def _mixture(values: Values) -> WeibullMixtureThreshold:
    return WeibullMixtureThreshold(
        WeibullThreshold(values["scale_low"], values["shape_low"]),
        WeibullThreshold(values["scale_high"], values["shape_high"]),
        values["weight_low"],
    )


def _mixture_values(values: Values) -> dict[str, Any]:
    high = values["scale_low"] * jnp.exp(jnp.minimum(values["separation"], LARGEST_SEPARATION))
    shown = {**values, "scale_high": high}
    return {**shown, "mean": _mixture(shown).mean()}


def _serial(marginal: Callable[[Values], Any]) -> Callable[[Values], SerialThreshold]:
    def law(values: Values) -> SerialThreshold:
        if "persistence" in values:
            return SerialThreshold(
                marginal(values), values["drift"], values["persistence"], values["chain_share"]
            )
        return SerialThreshold(
            marginal(values), values["drift"], values["correlation"], jnp.ones_like(values["correlation"])
        )

    return law


def _serial_model(base: Model, what: str, simulate: replicate.Replicate) -> Model:
    """The same marginal law with drift and serial correlation: a chain (``drift``), or one under noise (``wander``)."""
    more, words, terms, left_out_of = SERIES[what]
    law, free = _serial(base.law), (*base.free, DRIFT, *more)

    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return terms(law(values), values, arrays)

    def left_out(values: Values, arrays: Arrays) -> Array:
        return left_out_of(law(values), values, arrays)

    return replace(
        base,
        name=f"{base.name}-{what}",
        summary=f"{base.summary.split(':')[0]} with a trend over cycles and {words}",
        free=free,
        law=law,
        log_likelihood=log_likelihood,
        left_out=left_out,
        replicate=simulate,
        priors=_priors(free),
        candidates=starts.with_series(base.candidates),
        natural=_with_mean(law),
        latents=latent_places,
    )


def _thermal(name: str, exponent: float, summary: str) -> Model:
    def law(values: Values) -> ThermalBarrier:
        return ThermalBarrier(values["thermal_stability"], values["critical"], ATTEMPT_TIME, exponent)

    model = _model(
        name,
        summary,
        (STABILITY, CRITICAL),
        law,
        replicate.thermal_ramp(exponent, ATTEMPT_TIME),
        starts.thermal_starts(exponent, ATTEMPT_TIME),
    )
    # The mean depends on the ramp rate: it is no value of the device.
    return replace(model, natural=as_given, shown_units=no_more_units)


WEIBULL = _model(
    "weibull",
    "Weibull law: a weakest link fails first",
    (SCALE, SHAPE),
    _weibull,
    replicate.weibull,
    starts.weibull_starts,
)
GUMBEL = _model(
    "gumbel",
    "Gumbel law of the minimum: thresholds of any sign",
    (LOCATION, WIDTH),
    _gumbel,
    replicate.gumbel,
    starts.gumbel_starts,
)
LOGNORMAL = _model(
    "lognormal",
    "lognormal law: many factors multiply",
    (MEDIAN, SPREAD),
    _lognormal,
    replicate.lognormal,
    starts.lognormal_starts,
)
WEIBULL_MIXTURE = replace(
    _model(
        "weibull-mixture",
        "two Weibull laws: two mechanisms, such as two types of walls",
        MIXTURE,
        _mixture,
        replicate.weibull_mixture,
        starts.mixture_starts,
    ),
    natural=_mixture_values,
    shown_units=_drive_units("mean", "scale_high"),
)
WEIBULL_DRIFT = _serial_model(WEIBULL, "drift", replicate.weibull_drift)
LOGNORMAL_DRIFT = _serial_model(LOGNORMAL, "drift", replicate.lognormal_drift)
WEIBULL_WANDER = _serial_model(WEIBULL, "wander", replicate.weibull_drift)
LOGNORMAL_WANDER = _serial_model(LOGNORMAL, "wander", replicate.lognormal_drift)
THERMAL_RAMP = _thermal(
    "thermal-ramp",
    2.0,
    "thermal activation under a ramp, barrier (1 - V/Vc)^2, attempt time 1 ns (Kurkijärvi, Garg)",
)
THERMAL_RAMP_OBLIQUE = _thermal(
    "thermal-ramp-1.5",
    1.5,
    "thermal activation under a ramp, barrier (1 - V/Vc)^1.5, attempt time 1 ns (Garg)",
)

MODELS = (
    WEIBULL,
    LOGNORMAL,
    GUMBEL,
    WEIBULL_MIXTURE,
    WEIBULL_DRIFT,
    LOGNORMAL_DRIFT,
    WEIBULL_WANDER,
    LOGNORMAL_WANDER,
    THERMAL_RAMP,
    THERMAL_RAMP_OBLIQUE,
)
MIXTURES = (WEIBULL_MIXTURE.name,)
SERIAL = tuple(model.name for model in (WEIBULL_DRIFT, LOGNORMAL_DRIFT, WEIBULL_WANDER, LOGNORMAL_WANDER))
THERMAL = (THERMAL_RAMP.name, THERMAL_RAMP_OBLIQUE.name)
ANY_SIGN = (GUMBEL.name,)
