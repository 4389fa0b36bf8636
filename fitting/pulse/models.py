"""The models of pulse switching: curves, thermal activation, spin torque, two directions, overdispersed counts.

Adding one is adding an entry to `MODELS`: its free parameters, its law, and its formula in NumPy.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.devices import (
    AbstractSwitchingLaw,
    InPlaneBallistic,
    LogisticSwitching,
    MacrospinSwitching,
    ProbitSwitching,
    ThermalActivation,
)
from charz.fitting.contract import (
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
from charz.fitting.pulse.candidates import (
    Candidates,
    curve_candidates,
    in_plane_candidates,
    macrospin_candidates,
    overdispersed_candidates,
    thermal_candidates,
)
from charz.fitting.pulse.directions import both_directions
from charz.fitting.pulse.likelihood import beta_binomial_terms, binomial_terms, log_binomial_coefficient
from charz.fitting.pulse.priors import sweep_priors
from charz.fitting.pulse.simulate import (
    Formula,
    beta_binomial_counts,
    binomial_counts,
    in_plane_curve,
    logistic_curve,
    macrospin_curve,
    probit_curve,
    thermal_curve,
)

ATTEMPT_TIME = 1e-9

LOCATION = FreeParameter("location", IDENTITY, "{drive}", "centre of the curve")
WIDTH = FreeParameter("width", LOG, "{drive}", "logistic scale")
DEVIATION = FreeParameter("width", LOG, "{drive}", "standard deviation of the threshold")
FLOOR = FreeParameter("floor", LOGIT, "1", "lower asymptote")
# The ceiling is reached through what it lacks, so that no value of the pair can cross: floor < ceiling always.
SHORTFALL = FreeParameter("shortfall", LOGIT, "1", "(1 - ceiling)/(1 - floor)")
CONCENTRATION = FreeParameter("concentration", LOG, "1", "equivalent trials of the scatter between settings")
CRITICAL = FreeParameter("critical", LOG, "{drive}", "critical drive at zero temperature")
RELAXATION_TIME = FreeParameter("relaxation_time", LOG, "s", "relaxation time", shared=True)


def _stability(remark: str) -> FreeParameter:
    return FreeParameter("thermal_stability", LOG, "1", f"barrier over kT{remark}")


def _curve(kind: type, values: Values) -> Any:
    """Law with asymptotes at 0 and 1 where they are not free."""
    location = jnp.asarray(values["location"])
    zero, one = jnp.zeros_like(location), jnp.ones_like(location)
    return kind(
        location=location,
        width=values["width"],
        floor=values.get("floor", zero),
        ceiling=values.get("ceiling", one),
    )


def _thermal(exponent: float, values: Values) -> ThermalActivation:
    """Law without a pulse width: NaN until ``law.for_width`` gives one."""
    stability = jnp.asarray(values["thermal_stability"])
    return ThermalActivation(
        thermal_stability=stability,
        critical=values["critical"],
        attempt_time=values["attempt_time"],
        width=jnp.full_like(stability, jnp.nan),
        exponent=exponent,
    )


def _with_constants(exponent: float, attempt_time: float | None, values: Values) -> dict[str, Any]:
    """Put what was not estimated beside the values: they mean nothing without it."""
    stability = jnp.asarray(values["thermal_stability"])
    constants = {"exponent": exponent} | ({} if attempt_time is None else {"attempt_time": attempt_time})
    return {**values, **{name: jnp.full_like(stability, value) for name, value in constants.items()}}


def _units_of_constants(observations: Observations) -> dict[str, str]:
    del observations
    return {"exponent": "1", "attempt_time": "s"}


def _torque(kind: type, values: Values) -> Any:
    """Law without a pulse width, as `_thermal`."""
    stability = jnp.asarray(values["thermal_stability"])
    return kind(stability, values["critical"], values["relaxation_time"], jnp.full_like(stability, jnp.nan))


def _with_ceiling(values: Values) -> dict[str, Array]:
    ceiling = 1 - values["shortfall"] * (1 - values["floor"])
    return {name: values[name] for name in ("location", "width", "floor")} | {"ceiling": ceiling}


def _model(
    name: str,
    summary: str,
    free: tuple[FreeParameter, ...],
    law: Callable[[Values], AbstractSwitchingLaw],
    formula: Formula,
    candidates: Callable[[Observations], Candidates],
    natural: Callable[[Values], dict[str, Any]] = as_given,
    shown_units: Callable[[Observations], dict[str, str]] = no_more_units,
) -> Model:
    """Model of independent trials: binomial counts."""

    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return binomial_terms(law(values), arrays)

    def left_out(values: Values, arrays: Arrays) -> Array:
        return binomial_terms(law(values), arrays) + log_binomial_coefficient(arrays)

    def replicate(
        generator: np.random.Generator, values: Mapping[str, np.ndarray], observations: Observations
    ) -> dict[str, np.ndarray]:
        arrays = observations.arrays
        return {"num_switched": binomial_counts(generator, formula(values, arrays), arrays["num_trials"])}

    def few_candidates(observations: Observations) -> Candidates:
        names = {parameter.name for parameter in free}
        return {n: grid for n, grid in candidates(observations).items() if n in names}

    return Model(
        name,
        summary,
        free,
        law,
        log_likelihood,
        replicate,
        partial(sweep_priors, free),
        few_candidates,
        natural,
        shown_units,
        left_out=left_out,
    )


def _overdispersed(name: str, summary: str) -> Model:
    """Logistic curve with a floor, and counts that scatter more than independent trials do."""
    free = (LOCATION, WIDTH, FLOOR, CONCENTRATION)

    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return beta_binomial_terms(_curve(LogisticSwitching, values), values["concentration"], arrays)

    def left_out(values: Values, arrays: Arrays) -> Array:
        return log_likelihood(values, arrays) + log_binomial_coefficient(arrays)

    def replicate(
        generator: np.random.Generator, values: Mapping[str, np.ndarray], observations: Observations
    ) -> dict[str, np.ndarray]:
        probability = logistic_curve(values, observations.arrays)
        trials = observations.arrays["num_trials"]
        counts = beta_binomial_counts(generator, probability, values["concentration"], trials)
        return {"num_switched": counts}

    def candidates(observations: Observations) -> Candidates:
        found = overdispersed_candidates(observations)
        return {parameter.name: found[parameter.name] for parameter in free}

    return Model(
        name,
        summary,
        free,
        partial(_curve, LogisticSwitching),
        log_likelihood,
        replicate,
        partial(sweep_priors, free),
        candidates,
        left_out=left_out,
    )


def _curves(kind: type, formula: Formula, word: str, scale: FreeParameter) -> tuple[Model, ...]:
    law = partial(_curve, kind)
    name = word.split()[0]
    return (
        _model(
            name,
            f"{word} curve with a free floor and the ceiling at 1"
            + (" (Ellis 2023, E1)" if name == "logistic" else ""),
            (LOCATION, scale, FLOOR),
            law,
            formula,
            curve_candidates,
        ),
        _model(
            f"{name}-plain",
            f"{word} curve from 0 to 1, without asymptotes",
            (LOCATION, scale),
            law,
            formula,
            curve_candidates,
        ),
        _model(
            f"{name}-asymptotes",
            f"{word} curve with free floor and free ceiling",
            (LOCATION, scale, FLOOR, SHORTFALL),
            law,
            formula,
            curve_candidates,
            _with_ceiling,
        ),
    )


def _thermally(name: str, what: str, exponent: float, attempt_time: float | None) -> Model:
    given = (
        "free attempt time"
        if attempt_time is None
        else "attempt time 1 ns (one pulse width cannot tell it from Δ)"
    )
    free: tuple[FreeParameter, ...] = (
        _stability(f", at n = {exponent:g}" + ("" if attempt_time is None else " and attempt time 1 ns")),
        CRITICAL,
    )
    if attempt_time is None:
        free += (FreeParameter("attempt_time", LOG, "s", "inverse attempt frequency", shared=True),)
    return _model(
        name,
        f"thermal activation over a barrier Δ(1 - V/Vc)^{exponent:g}, {what}; {given}",
        free,
        partial(_thermal, exponent),
        partial(thermal_curve, exponent=exponent, attempt_time=attempt_time),
        partial(thermal_candidates, exponent=exponent, attempt_time=attempt_time),
        partial(_with_constants, exponent, attempt_time),
        _units_of_constants,
    )


_LOGISTIC = _curves(LogisticSwitching, logistic_curve, "logistic", WIDTH)
_THERMAL = _thermally("thermal", "perpendicular easy axis", 2.0, ATTEMPT_TIME)
_TORQUE = (_stability(""), CRITICAL, RELAXATION_TIME)

MODELS: tuple[Model, ...] = (
    *_LOGISTIC,
    *_curves(ProbitSwitching, probit_curve, "probit (normal thresholds)", DEVIATION),
    _overdispersed(
        "logistic-overdispersed",
        "logistic curve with a free floor, beta-binomial counts: trials of one setting vary together",
    ),
    both_directions(_LOGISTIC[0], logistic_curve, "logistic-directions"),
    _THERMAL,
    _thermally("thermal-in-plane", "in-plane convention", 1.0, ATTEMPT_TIME),
    _thermally("thermal-free", "perpendicular easy axis", 2.0, None),
    both_directions(
        _THERMAL, partial(thermal_curve, exponent=2.0, attempt_time=ATTEMPT_TIME), "thermal-directions"
    ),
    _model(
        "macrospin",
        "perpendicular macrospin under spin torque, thermal to ballistic; needs at least two pulse widths",
        _TORQUE,
        partial(_torque, MacrospinSwitching),
        macrospin_curve,
        macrospin_candidates,
    ),
    _model(
        "in-plane-ballistic",
        "in-plane junction above its critical drive (Greenberg 2021, G4); needs at least two pulse widths",
        _TORQUE,
        partial(_torque, InPlaneBallistic),
        in_plane_curve,
        in_plane_candidates,
    ),
)
