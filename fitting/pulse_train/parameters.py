"""Free parameters of the pulse-train models, and the maps from them to the devices' leaves."""

import jax.numpy as jnp

from charz.fitting.contract import ATANH, IDENTITY, LOG, LOGIT, FreeParameter, Link

# Above 2, so that the noise has a variance.
ABOVE_TWO = Link("log_excess_", lambda value: jnp.log(value - 2), lambda value: 2 + jnp.exp(value))

CONDUCTANCE_MIN = FreeParameter("conductance_min", LOG, "S", "lower bound of the conductance")
WINDOW = FreeParameter("window", LOG, "S", "distance between the bounds")
STEP_POTENTIATION = FreeParameter("step_potentiation", LOG, "S", "step up at the lower bound")
STEP_DEPRESSION = FreeParameter("step_depression", LOG, "S", "step down at the upper bound")
CONSTANT_POTENTIATION = FreeParameter("step_potentiation", LOG, "S", "step up")
CONSTANT_DEPRESSION = FreeParameter("step_depression", LOG, "S", "step down")
SYMMETRIC_CONDUCTANCE = FreeParameter("symmetric_conductance", LOG, "S", "where both steps are equal")
SYMMETRIC_STEP = FreeParameter("symmetric_step", LOG, "S", "step where both are equal")
DECAY_POTENTIATION = FreeParameter("decay_potentiation", LOG, "S", "change in which the step up falls by e")
DECAY_DEPRESSION = FreeParameter("decay_depression", LOG, "S", "change in which the step down falls by e")
CYCLE_NOISE = FreeParameter("cycle_noise", LOG, "1", "cycle-to-cycle noise, relative to the step")
ADDITIVE_NOISE = FreeParameter("additive_noise", LOG, "S", "noise that does not depend on the step", True)
STEP_NOISE = FreeParameter("additive_noise", LOG, "S", "cycle-to-cycle noise of a step")
READ_NOISE = FreeParameter("read_noise", LOG, "1", "sd of ln of a read", True)
DEGREES = FreeParameter("degrees_of_freedom", ABOVE_TWO, "1", "of Student's t; small is heavy-tailed", True)
STUCK_FRACTION = FreeParameter("stuck_fraction", LOGIT, "1", "share of devices that do not respond", True)

# After ten pulses, not after the first: there the level hardly moves with the slope.
TENTH_POTENTIATION = FreeParameter("tenth_potentiation", LOG, "S", "after ten pulses up")
TENTH_DEPRESSION = FreeParameter("tenth_depression", LOG, "S", "after ten pulses down")
SLOPE_POTENTIATION = FreeParameter("slope_potentiation", IDENTITY, "1", "exponent of G over n, pulses up")
SLOPE_DEPRESSION = FreeParameter("slope_depression", IDENTITY, "1", "exponent of G over n, pulses down")
TENTH = FreeParameter("tenth", LOG, "S", "after ten pulses")
SLOPE = FreeParameter("slope", IDENTITY, "1", "exponent of G over n")
NOISE = FreeParameter("noise", LOG, "1", "sd of ln G around the power law")

CONDUCTANCE_SET = FreeParameter("conductance_set", LOG, "S", "median after SET")
CONDUCTANCE_RESET = FreeParameter("conductance_reset", LOG, "S", "median after RESET")
NOISE_SET = FreeParameter("noise_set", LOG, "1", "cycle-to-cycle sd of ln G after SET")
NOISE_RESET = FreeParameter("noise_reset", LOG, "1", "cycle-to-cycle sd of ln G after RESET")
CORRELATION_SET = FreeParameter("correlation_set", ATANH, "1", "with the SET state before", True)
CORRELATION_RESET = FreeParameter("correlation_reset", ATANH, "1", "with the RESET state before", True)
DRIFT_SET = FreeParameter("drift_set", IDENTITY, "1", "change of ln G over the record, after SET")
DRIFT_RESET = FreeParameter("drift_reset", IDENTITY, "1", "change of ln G over the record, after RESET")

SOFT_BOUNDS = (
    CONDUCTANCE_MIN,
    WINDOW,
    STEP_POTENTIATION,
    STEP_DEPRESSION,
    CYCLE_NOISE,
    ADDITIVE_NOISE,
)
EXPONENTIAL = (
    SYMMETRIC_CONDUCTANCE,
    SYMMETRIC_STEP,
    DECAY_POTENTIATION,
    DECAY_DEPRESSION,
    CYCLE_NOISE,
    ADDITIVE_NOISE,
)
LINEAR = (CONSTANT_POTENTIATION, CONSTANT_DEPRESSION, STEP_NOISE)
POWER_LAW = (TENTH_POTENTIATION, SLOPE_POTENTIATION, TENTH_DEPRESSION, SLOPE_DEPRESSION, NOISE)
SINGLE_POWER_LAW = (TENTH, SLOPE, NOISE)
TWO_LEVEL = (CONDUCTANCE_SET, CONDUCTANCE_RESET, NOISE_SET, NOISE_RESET)
SERIAL = (*TWO_LEVEL, CORRELATION_SET, CORRELATION_RESET, DRIFT_SET, DRIFT_RESET)
