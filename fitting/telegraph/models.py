"""Models of telegraph noise: two levels, with drift, with rates that follow drive or temperature; three levels."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from charz.devices.telegraph import ArrheniusTelegraph, DrivenTelegraph, TelegraphJunction, with_rates
from charz.devices.telegraph_levels import ThreeLevelTelegraph
from charz.fitting.contract import IDENTITY, LOG, Arrays, FreeParameter, Model, Observations, Values
from charz.fitting.telegraph.candidates import (
    arrhenius_candidates,
    drift_candidates,
    driven_candidates,
    three_level_candidates,
    two_level_candidates,
)
from charz.fitting.telegraph.condensed import condensing, record_terms
from charz.fitting.telegraph.likelihood import (
    Chain,
    chain_left_out,
    clipped_rate,
    kept_possible,
)
from charz.fitting.telegraph.priors import priors_for
from charz.fitting.telegraph.records import searched
from charz.fitting.telegraph.replicate import replicate_three_levels, replicate_two_levels

# Above this many samples NUTS takes many minutes, and the posterior is normal to a per cent.
LAPLACE_ABOVE = 20_000
# Exponents of the laws of drive and temperature beyond which a rate leaves every range.
LARGEST_EXPONENT = 200.0

LOW = FreeParameter("low", IDENTITY, "{signal}", "lower level")
SEPARATION = FreeParameter("separation", LOG, "{signal}", "upper minus lower level")
NOISE = FreeParameter("noise", LOG, "{signal}", "standard deviation of one read")
RATE_UP = FreeParameter("rate_up", LOG, "1/{time}", "rate from low to high")
RATE_DOWN = FreeParameter("rate_down", LOG, "1/{time}", "rate from high to low")
DRIFT = FreeParameter("drift", IDENTITY, "{signal}", "change of both levels over the record")
SHARED_UP = FreeParameter("rate_up", LOG, "1/{time}", "rate from low to high at the reference", shared=True)
SHARED_DOWN = FreeParameter(
    "rate_down", LOG, "1/{time}", "rate from high to low at the reference", shared=True
)
GROWTH_UP = FreeParameter("growth_up", IDENTITY, "1/({drive})", "d ln(rate up)/d drive", shared=True)
GROWTH_DOWN = FreeParameter("growth_down", IDENTITY, "1/({drive})", "d ln(rate down)/d drive", shared=True)
STABILITY_UP = FreeParameter("stability_up", IDENTITY, "1", "thermal stability of the low state", shared=True)
STABILITY_DOWN = FreeParameter(
    "stability_down", IDENTITY, "1", "thermal stability of the high state", shared=True
)
TWO_LEVELS = (LOW, SEPARATION, NOISE, RATE_UP, RATE_DOWN)
RATES = ("rate_01", "rate_02", "rate_10", "rate_12", "rate_20", "rate_21")
THREE_LEVELS = (
    FreeParameter("low", IDENTITY, "{signal}", "lowest level"),
    FreeParameter("lower_separation", LOG, "{signal}", "middle minus lowest level"),
    FreeParameter("upper_separation", LOG, "{signal}", "highest minus middle level"),
    NOISE,
    *(
        FreeParameter(name, LOG, "1/{time}", f"rate from level {name[-2]} to level {name[-1]}")
        for name in RATES
    ),
)


def junction(values: Values) -> TelegraphJunction:
    """Two-level device of the values."""
    return TelegraphJunction(*(values[p.name] for p in TWO_LEVELS))


def driven(values: Values) -> DrivenTelegraph:
    """Two-level device whose rates follow the drive."""
    return DrivenTelegraph(junction(values), values["growth_up"], values["growth_down"])


def arrhenius(values: Values) -> ArrheniusTelegraph:
    """Two-level device whose rates follow the temperature."""
    return ArrheniusTelegraph(junction(values), values["stability_up"], values["stability_down"])


def three_levels(values: Values) -> ThreeLevelTelegraph:
    """Three-level device of the values."""
    return ThreeLevelTelegraph(*(values[p.name] for p in THREE_LEVELS))


def with_dwells(values: Values) -> dict[str, Any]:
    """Add mean dwell times, the share of time in the high state, and the correlation time."""
    up, down = values["rate_up"], values["rate_down"]
    return {
        **values,
        "dwell_low": 1 / up,
        "dwell_high": 1 / down,
        "fraction_high": up / (up + down),
        "correlation_time": 1 / (up + down),
    }


def with_attempt_times(values: Values) -> dict[str, Any]:
    """Add the attempt times of both states, an extrapolation to infinite temperature."""
    attempts = {
        f"attempt_time_{state}": jnp.exp(-values[f"stability_{way}"]) / values[f"rate_{way}"]
        for state, way in (("low", "up"), ("high", "down"))
    }
    return {**with_dwells(values), **attempts}


def with_exits(values: Values) -> dict[str, Any]:
    """Add the mean dwell time of each of three levels."""
    out = {
        name: sum(values[rate] for rate in RATES if rate[-2] == str(level))
        for level, name in enumerate(("dwell_low", "dwell_middle", "dwell_high"))
    }
    return {**values, **{name: 1 / total for name, total in out.items()}}


def times(*names: str) -> Any:
    """Units of added values: these in the unit of time, the others 1."""

    def shown_units(observations: Observations) -> dict[str, str]:
        return dict.fromkeys(names, observations.units["time"])

    return shown_units


def _two_level_chain(device: TelegraphJunction, values: Values, arrays: Arrays) -> Chain:
    interval = arrays["interval"]
    device = with_rates(
        device, clipped_rate(device.rate_up, interval), clipped_rate(device.rate_down, interval)
    )
    up, down = device.flip_probabilities(interval)
    high = device.fraction_high()
    transition = jnp.stack([jnp.stack([1 - up, up]), jnp.stack([down, 1 - down])])
    stationary = jnp.stack([1 - high, high])
    return Chain(device.low, (device.separation,), device.noise, transition, stationary, values.get("drift"))


def _as_measured(values: Values, arrays: Arrays) -> Chain:
    return _two_level_chain(junction(values), values, arrays)


def _at_drive(values: Values, arrays: Arrays) -> Chain:
    bounded = {
        name: _bounded_slope(values[name], arrays["excess"]) if name.startswith("growth") else value
        for name, value in values.items()
    }
    return _two_level_chain(driven(bounded).at(arrays["excess"]), values, arrays)


def _at_temperature(values: Values, arrays: Arrays) -> Chain:
    bounded = {
        name: _bounded_slope(values[name], arrays["cooling"]) if name.startswith("stability") else value
        for name, value in values.items()
    }
    return _two_level_chain(arrhenius(bounded).at(arrays["cooling"]), values, arrays)


def _bounded_slope(slope: Array, distance: Array) -> Array:
    """Slope, kept where the exponential of slope times distance is a number."""
    limit = LARGEST_EXPONENT / jnp.maximum(jnp.abs(distance), 1e-300)
    return jnp.clip(slope, -limit, limit)


def _between_three(values: Values, arrays: Arrays) -> Chain:
    interval = arrays["interval"]
    clipped = {name: clipped_rate(values[name], interval) for name in RATES}
    device = three_levels({**values, **clipped})
    return Chain(
        device.low,
        (device.lower_separation, device.lower_separation + device.upper_separation),
        device.noise,
        kept_possible(device.transition(interval)),
        device.occupation(),
    )


def _shorter(
    condense: Callable[[Observations], Observations | None],
) -> Callable[[Observations], Observations | None]:
    """Stand in for a long record, or start at the beginning of one that is not so long."""

    def subsample(observations: Observations) -> Observations | None:
        stand_in = condense(observations)
        return searched(observations) if stand_in is None else stand_in

    return subsample


def _model(
    name: str,
    summary: str,
    free: tuple[FreeParameter, ...],
    law: Any,
    chain: Any,
    num_levels: int = 2,
    **parts: Any,
) -> Model:
    """Model of a chain: its likelihood, and the blocks of it left out."""
    defaults: Mapping[str, Any] = {
        "natural": with_dwells,
        "shown_units": times("dwell_low", "dwell_high", "correlation_time"),
        "replicate": replicate_two_levels,
    }
    return Model(
        name=name,
        summary=summary,
        free=free,
        law=law,
        log_likelihood=lambda values, arrays: record_terms(chain(values, arrays), arrays),
        left_out=lambda values, arrays: chain_left_out(chain(values, arrays), arrays),
        priors=priors_for(free),
        subsample=_shorter(condensing(chain, num_levels, drifting=any(p.name == "drift" for p in free))),
        laplace_above=LAPLACE_ABOVE,
        **{**defaults, **parts},
    )


MODELS = (
    _model(
        "two-state",
        "two levels, a Markov chain in continuous time with a rate up and a rate down, Gaussian read-out",
        TWO_LEVELS,
        junction,
        _as_measured,
        candidates=two_level_candidates,
    ),
    _model(
        "two-state-drift",
        "two-state, both levels drifting linearly over the record",
        (*TWO_LEVELS, DRIFT),
        junction,
        _as_measured,
        candidates=drift_candidates,
    ),
    _model(
        "three-state",
        "three levels with rates between each two of them",
        THREE_LEVELS,
        three_levels,
        _between_three,
        num_levels=3,
        candidates=three_level_candidates,
        natural=with_exits,
        shown_units=times("dwell_low", "dwell_middle", "dwell_high"),
        replicate=replicate_three_levels,
    ),
    _model(
        "telegraph-drive",
        "two-state records of one device at several drives, rates exponential in the drive",
        (LOW, SEPARATION, NOISE, SHARED_UP, SHARED_DOWN, GROWTH_UP, GROWTH_DOWN),
        driven,
        _at_drive,
        candidates=driven_candidates,
    ),
    _model(
        "telegraph-arrhenius",
        "two-state records of one device at several temperatures, Arrhenius rates with free attempt times",
        (LOW, SEPARATION, NOISE, SHARED_UP, SHARED_DOWN, STABILITY_UP, STABILITY_DOWN),
        arrhenius,
        _at_temperature,
        candidates=arrhenius_candidates,
        natural=with_attempt_times,
        shown_units=times(
            "dwell_low", "dwell_high", "correlation_time", "attempt_time_low", "attempt_time_high"
        ),
    ),
)
