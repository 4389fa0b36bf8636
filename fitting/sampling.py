"""From observations to draws: modes, centring, chains; longer or more careful ones where the first fell short."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array
from numpyro.infer.hmc import HMCState

from charz.fitting.centring import guess_population
from charz.fitting.contract import Model, Observations
from charz.fitting.convergence import Convergence, assess
from charz.fitting.inference import Program, Sampler, compiled, raveled
from charz.fitting.keys import generator_from
from charz.fitting.modes import find_modes
from charz.fitting.population import joint_model, population_names, varies
from charz.fitting.priors import Prior, constants_of, families_of
from charz.fitting.starts import Approximation, coordinate_scales, start_values

CAREFUL_STEP = 0.4
MAX_CUTS = 2
MAX_EXTENSIONS = 3


@dataclass(frozen=True)
class Plan:
    """How to sample.

    Parameters
    ----------
    draws, warmup, chains : int
        Draws kept and adaptation steps of each chain, number of chains.
    target_accept : float
        Mean acceptance that the step size aims at.
    second_attempt : bool
        Where the first attempt falls short: if transitions diverged, sample anew with the step size cut to 40 %, twice
        at most;
        if the effective sample size or R-hat misses its limit, extend the chains, up to fourfold.
    """

    draws: int = 1000
    warmup: int = 500
    chains: int = 4
    target_accept: float = 0.95
    second_attempt: bool = True


@dataclass(frozen=True)
class Draws:
    """Result of sampling, as NumPy arrays in double precision.

    Parameters
    ----------
    values : dict
        Populations and law parameters, (chain, draw) or (chain, draw, device).
    stats : dict
        Sampler statistics, (chain, draw).
    convergence : Convergence
    remarks : tuple of str
        What was done beyond the plan.
    centring : dict
        Weight c of each device by linked name; empty unless hierarchical.
    latents : dict
        Latent variables at their places, (chain, draw, place).
    weights : dict
        What importance sampling says of itself: dimensions and array by name.
    """

    values: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]
    convergence: Convergence
    remarks: tuple[str, ...]
    centring: dict[str, np.ndarray] = field(default_factory=dict)
    latents: dict[str, np.ndarray] = field(default_factory=dict)
    weights: dict[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A model with its data, ready to be sampled (made in double precision)."""

    model: Model
    pool: str
    families: tuple[tuple[str, str], ...]
    data: dict[str, Any]
    known: Approximation


def prepare(model: Model, observations: Observations, pool: str, priors: Mapping[str, Prior]) -> Prepared:
    """Find modes and centring; to be called inside ``jax.enable_x64(True)``."""
    modes = find_modes(model, priors, observations, pool)
    data: dict[str, Any] = {
        "arrays": dict(observations.arrays),
        "blank": np.zeros(observations.measured.shape),
        "priors": constants_of(priors),
    }
    guess = None
    columns = [column for column, p in enumerate(model.free) if varies(p, pool)]
    if columns:
        names = [model.free[column].linked_name for column in columns]
        widest = np.asarray([priors[f"{name}_sd"].constants[0] for name in names])
        guess = guess_population(modes.take(columns), widest)
        data["centring"] = {name: guess.centring[:, i] for i, name in enumerate(names)}
        data["reference_sd"] = {name: guess.sd[i] for i, name in enumerate(names)}
    places = {name: np.flatnonzero(mask) for name, mask in model.latents(observations).items()}
    known = Approximation(modes, guess, {name: len(place) for name, place in places.items()})
    centre, scale = coordinate_scales(model, pool, known)
    data |= {"coordinate_centre": raveled(centre), "coordinate_scale": raveled(scale)}
    data = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float64), data)
    data["places"] = {name: jnp.asarray(place) for name, place in places.items()}
    return Prepared(model, pool, families_of(priors), data, known)


def sample(key: Array, prepared: Prepared, plan: Plan, tick: Callable[[int], None] | None = None) -> Draws:
    """Run NUTS on a prepared model; to be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    key : PRNG key
    prepared : Prepared
    plan : Plan
    tick : callable, optional
        Called with a number of finished steps, for a progress bar.
    """
    program, state = _warmed(key, prepared, plan, tick)

    def advanced(state: HMCState) -> tuple[HMCState, dict[str, Any]]:
        state, raw = program.advance(state, plan.draws, prepared.data, tick)
        return state, raw | {"sites": program.values(raw.pop("z"), prepared.data)}

    state, drawn = advanced(state)
    values, convergence = _judge(drawn, prepared)
    remarks: list[str] = []
    cuts = 0
    while plan.second_attempt and convergence.divergences and cuts < MAX_CUTS:
        cuts += 1
        remarks.append(
            f"{convergence.divergences} transitions diverged: sampled anew with {CAREFUL_STEP**cuts:.0%} of the step"
        )
        state, drawn = advanced(program.with_smaller_steps(state, CAREFUL_STEP))
        values, convergence = _judge(drawn, prepared)
    extensions = 0
    while plan.second_attempt and not convergence.mixed and extensions < MAX_EXTENSIONS:
        extensions += 1
        state, more = advanced(state)
        drawn = jax.tree.map(lambda first, next_: np.concatenate([first, next_], axis=1), drawn, more)
        values, convergence = _judge(drawn, prepared)
    if extensions:
        remarks.append(f"chains extended from {plan.draws} to {(1 + extensions) * plan.draws} draws each")
    stats = {name: drawn[name] for name in ("diverging", "num_steps", "accept_prob", "energy")}
    centring = {name: np.asarray(c) for name, c in prepared.data.get("centring", {}).items()}
    latents = {name: drawn["sites"][name] for name in prepared.known.num_latents}
    return Draws(values, stats, convergence, tuple(remarks), centring, latents)


def _warmed(
    key: Array, prepared: Prepared, plan: Plan, tick: Callable[[int], None] | None
) -> tuple[Program, HMCState]:
    """Compile, or find compiled, and adapt."""
    key_start, key_chains = jax.random.split(key)
    model, pool, known = prepared.model, prepared.pool, prepared.known
    starts = start_values(generator_from(key_start), model, pool, plan.chains, known)
    dense = pool == "complete" and not known.num_latents
    sampler = Sampler(plan.warmup, plan.target_accept, dense=dense)
    model_function = joint_model(model, pool, prepared.families, tuple(known.num_latents))
    program = compiled(model_function, sampler, {name: value[0] for name, value in starts.items()})
    state = program.start(key_chains, starts, prepared.data)
    state, _ = program.advance(state, plan.warmup, prepared.data, tick)
    return program, state


def _judge(drawn: Mapping[str, Any], prepared: Prepared) -> tuple[dict[str, np.ndarray], Convergence]:
    """What is shown of the sites, and whether it has converged."""
    hidden = hidden_names(prepared)
    values = {name: value for name, value in drawn["sites"].items() if name not in hidden}
    return values, assess(as_dataset(values), drawn["diverging"])


def hidden_names(prepared: Prepared) -> set[str]:
    """Sites that are the sampler's own coordinates: populations and the law's values are shown, these are not."""
    model, pool = prepared.model, prepared.pool
    linked = {p.linked_name for p in model.free if p.link.prefix and not varies(p, pool)}
    return linked | {f"{p.linked_name}_u" for p in model.free} | set(prepared.known.num_latents)


def as_dataset(
    values: Mapping[str, np.ndarray], sample_dims: tuple[str, ...] = ("chain", "draw")
) -> xr.Dataset:
    """Label arrays (chain, draw) and (chain, draw, device)."""
    return xr.Dataset(
        {name: ((*sample_dims, "device")[: np.ndim(value)], value) for name, value in values.items()}
    )


def shown_names(model: Model, pool: str, names: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Split names into populations and values of the law."""
    populations = population_names(model, pool)
    return [n for n in populations if n in names], [n for n in names if n not in populations]
