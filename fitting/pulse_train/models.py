"""Models of conductance pulse trains: laws of the step, powers of the pulse number, alternating states."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array

from charz.devices.memristor import AbstractMemristor
from charz.fitting.contract import (
    Arrays,
    FreeParameter,
    Model,
    Observations,
    Values,
    as_given,
    no_more_units,
)
from charz.fitting.pulse_train import (
    candidates,
    parameters,
    power_law,
    read_noise,
    replicates,
    states,
    steps,
    stuck,
)
from charz.fitting.pulse_train.priors import priors_of


def _bounds_units(observations: Observations) -> dict[str, str]:
    del observations
    return {"conductance_max": "S", "symmetric_conductance": "S"}


def _first_units(observations: Observations) -> dict[str, str]:
    del observations
    return dict.fromkeys(("first", "first_potentiation", "first_depression"), "S")


def _step_model(
    name: str,
    summary: str,
    free: tuple[FreeParameter, ...],
    law: Callable[[Values], AbstractMemristor],
    mean_steps: replicates.Steps,
    start: Callable[..., dict[str, Any]],
    natural: Callable[[Values], dict[str, Any]] = as_given,
    shown: Callable[[Observations], dict[str, str]] = no_more_units,
) -> Model:
    """Build a model of independent steps between exact reads."""

    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return steps.log_steps(law(values), arrays)

    def left_out(values: Values, arrays: Arrays) -> Array:
        return steps.log_left_out(law(values), arrays)

    return Model(
        name=name,
        summary=summary,
        free=free,
        law=law,
        log_likelihood=log_likelihood,
        replicate=replicates.trains(mean_steps),
        priors=priors_of(free),
        candidates=start,
        natural=natural,
        shown_units=shown,
        left_out=left_out,
    )


SOFT_BOUNDS = _step_model(
    "soft-bounds",
    "steps shrink linearly towards the bound ahead; normal cycle-to-cycle noise, relative and additive",
    parameters.SOFT_BOUNDS,
    steps.soft_bounds,
    replicates.soft_bounds_steps,
    candidates.soft_bounds,
    steps.bounds_from_window,
    _bounds_units,
)
ROBUST = _step_model(
    "soft-bounds-robust",
    "soft bounds with Student-t noise: outlier steps of filaments",
    (*parameters.SOFT_BOUNDS, parameters.DEGREES),
    steps.soft_bounds,
    replicates.soft_bounds_steps,
    candidates.robust,
    steps.bounds_from_window,
    _bounds_units,
)
READ = Model(
    name="soft-bounds-read",
    summary="soft bounds behind noisy reads: the true conductances are hidden",
    free=(*parameters.SOFT_BOUNDS, parameters.READ_NOISE),
    law=steps.soft_bounds,
    log_likelihood=read_noise.log_likelihood,
    replicate=replicates.trains(replicates.soft_bounds_steps),
    priors=priors_of((*parameters.SOFT_BOUNDS, parameters.READ_NOISE)),
    candidates=candidates.noisy_reads,
    natural=steps.bounds_from_window,
    shown_units=_bounds_units,
    latents=read_noise.latents,
    left_out=read_noise.left_out,
)
STUCK = Model(
    name="soft-bounds-stuck",
    summary="soft bounds, or no response at all: some devices are stuck",
    free=(*parameters.SOFT_BOUNDS, parameters.STUCK_FRACTION),
    law=steps.soft_bounds,
    log_likelihood=stuck.log_likelihood,
    replicate=replicates.trains(replicates.soft_bounds_steps),
    priors=priors_of((*parameters.SOFT_BOUNDS, parameters.STUCK_FRACTION)),
    candidates=candidates.stuck,
    natural=steps.bounds_from_window,
    shown_units=_bounds_units,
    left_out=stuck.left_out,
)
EXPONENTIAL = _step_model(
    "exponential-steps",
    "steps fall off exponentially with the conductance",
    parameters.EXPONENTIAL,
    steps.exponential,
    replicates.exponential_steps,
    candidates.exponential,
)
LINEAR = _step_model(
    "linear-steps",
    "constant steps, one size a polarity",
    parameters.LINEAR,
    steps.linear,
    replicates.linear_steps,
    candidates.linear,
)
POWER_LAW = Model(
    name="power-law",
    summary="conductance goes as a power of the pulse number, one power a polarity",
    free=parameters.POWER_LAW,
    law=power_law.power_law,
    log_likelihood=power_law.log_likelihood,
    replicate=replicates.power_law,
    priors=priors_of(parameters.POWER_LAW),
    candidates=candidates.power_law,
    natural=power_law.with_first,
    shown_units=_first_units,
)
SINGLE_POWER_LAW = Model(
    name="power-law-single",
    summary="power of the pulse number, for trains of one polarity alone",
    free=parameters.SINGLE_POWER_LAW,
    law=power_law.power_law,
    log_likelihood=power_law.log_likelihood,
    replicate=replicates.power_law,
    priors=priors_of(parameters.SINGLE_POWER_LAW),
    candidates=candidates.single_power_law,
    natural=power_law.with_first,
    shown_units=_first_units,
)
TWO_LEVEL = Model(
    name="two-level",
    summary="alternating SET and RESET: two lognormal states, independent from cycle to cycle",
    free=parameters.TWO_LEVEL,
    law=states.switching,
    log_likelihood=states.log_likelihood,
    replicate=replicates.states,
    priors=priors_of(parameters.TWO_LEVEL),
    candidates=candidates.two_level,
    natural=states.with_contrast,
)
SERIAL = Model(
    name="two-level-serial",
    summary="two lognormal states that drift and remember the cycle before",
    free=parameters.SERIAL,
    law=states.switching,
    log_likelihood=states.log_likelihood,
    replicate=replicates.states,
    priors=priors_of(parameters.SERIAL),
    candidates=candidates.serial,
    natural=states.with_contrast,
    left_out=states.left_out,
)

STEP_MODELS = (SOFT_BOUNDS, ROBUST, READ, STUCK, EXPONENTIAL, LINEAR)
POWER_LAWS = (POWER_LAW, SINGLE_POWER_LAW)
STATE_MODELS = (TWO_LEVEL, SERIAL)
MODELS = (*STEP_MODELS, *POWER_LAWS, *STATE_MODELS)
