"""A hierarchical fit with every device integrated out: population first, devices after it, both judged by Pareto k."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Model, Observations
from charz.fitting.convergence import MAX_PARETO_K, Convergence
from charz.fitting.keys import generator_from
from charz.fitting.marginal.accuracy import MANY_AXES, Quadrature, chosen_quadrature, log_marginal
from charz.fitting.marginal.coordinates import Coordinates, coordinates_of
from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.drawn import DrawnDevices
from charz.fitting.marginal.drawn_once import candidates_serve_all
from charz.fitting.marginal.drawn_twice import compile_ahead, draw_for_all, draw_twice
from charz.fitting.marginal.funnel import funnel_at
from charz.fitting.marginal.grid import ON_A_SPHERE, nodes_of
from charz.fitting.marginal.importance import kernels_around, piloted, resampled, sampled
from charz.fitting.marginal.peaks import separate_modes
from charz.fitting.marginal.population_mode import settled
from charz.fitting.marginal.shortened import shortened
from charz.fitting.population import varies
from charz.fitting.priors import Prior
from charz.fitting.sampling import Draws

# A grid over five is so large that it is laid once, and only where nothing is shared.
MAX_VARYING, MAX_VARYING_ALONE = 4, 5
# Outcomes whose likelihood is evaluated, where every population asks for its own nodes: some ten seconds.
MAX_OUTCOMES = 5e8
# So few, a second or two, that nodes follow every population without asking whether they have to.
FEW_OUTCOMES, FOLLOWING = 1.5e8, 5
# Device draws that are kept, and the draws that there are at least: numbers of twenty thousand devices fill a gigabyte.
MAX_DEVICE_DRAWS = 3_000_000
LEAST_DRAWS = 1200

# For the way to the population's peak: its shape is corrected by weights.
ROUGH_STAYING, ROUGH_MOVING = Quadrature(False, 5, np.inf), Quadrature(True, 3, np.inf)
ROUGH_OF_MANY = Quadrature(False, ON_A_SPHERE, np.inf)


@dataclass(frozen=True)
class Refused:
    """Why the devices cannot be integrated out."""

    reason: str


def integrable(model: Model, observations: Observations, pool: str) -> str | None:
    """Say why the devices of a fit cannot be integrated out; None where they can."""
    varying = sum(varies(parameter, pool) for parameter in model.free)
    most = MAX_VARYING_ALONE if varying == len(model.free) else MAX_VARYING
    if pool != "hierarchical":
        return f"pool={pool!r} has no population"
    if model.latents(observations):
        return f"model {model.name!r} has latent variables beside the parameters of a device"
    if not 1 <= varying <= most:
        beside = "" if most == MAX_VARYING_ALONE else " beside shared ones"
        return (
            f"model {model.name!r} has {varying} parameters that vary from device to device, and a grid over more than"
            f" {most}{beside} has too many nodes"
        )
    return None


def integrate(
    key: Array,
    model: Model,
    observations: Observations,
    priors: Mapping[str, Prior],
    shape: tuple[int, int],
    tick: Callable[[int], None] | None = None,
) -> Draws | Refused:
    """Fit population and devices; to be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    key : PRNG key
    model : Model
        For which `integrable` has no objection.
    observations : Observations
    priors : mapping
    shape : (chains, draws)
        Layout of the result; of very many devices fewer draws are kept.
    tick : callable, optional
        Called with a number of finished steps, for a progress bar.

    Returns
    -------
    Draws, or the reason why importance sampling cannot be trusted.
    """
    key_population, key_devices, key_again = jax.random.split(key, 3)
    generator = generator_from(key_population)
    coordinates = coordinates_of(model, priors)
    short = shortened(generator, model, priors, observations)
    modes, told = (None, "") if short is None else short
    arrays = observations.arrays if modes is None or modes.stand_in is None else modes.stand_in.arrays
    devices = Devices(model, coordinates, arrays)
    if modes is None:
        modes = separate_modes(devices, observations)
    proposal, surrogate = settled(devices, modes, _rough(coordinates))
    num_chains, num_draws = kept_shape(shape, devices.number)
    number = num_chains * num_draws

    def outcomes_to_follow(per_axis: int) -> float:
        nodes = len(nodes_of(len(coordinates.varying), per_axis)[0])
        return float(nodes * devices.number * devices.outcomes) * 2 * number

    programs = compile_ahead(key_devices, devices, surrogate, proposal.centre, number)
    follow = bool(coordinates.shared) or outcomes_to_follow(FOLLOWING) <= FEW_OUTCOMES
    may_follow = len(coordinates.varying) <= MAX_VARYING
    follow = follow and may_follow
    funnel = funnel_at(coordinates, surrogate, proposal.centre)
    quadrature = chosen_quadrature(
        generator, devices, surrogate, proposal, funnel, follow=follow, may_follow=may_follow
    )
    if not quadrature.good:
        return Refused(f"no quadrature of the devices is accurate enough: {quadrature.describe()}")
    if quadrature.moves and (outcomes := outcomes_to_follow(quadrature.per_axis)) > MAX_OUTCOMES:
        return Refused(
            f"the devices' shapes ask for nodes that follow every population, {outcomes:.1g} outcomes in all"
            f" (limit {MAX_OUTCOMES:.0e}): NUTS takes less time"
        )
    marginal = log_marginal(devices, surrogate, proposal.centre, quadrature)

    def log_posterior(straight: np.ndarray) -> np.ndarray:
        phis = funnel.populations(straight)
        return marginal(phis) + coordinates.log_prior(phis) + funnel.log_volume(straight)

    proposal, pilot = piloted(generator, log_posterior, proposal)
    population = sampled(generator, log_posterior, proposal, pilot, number)
    if population.pareto_k > MAX_PARETO_K:
        # A posterior that no t fits: once more, with a proposal of its own shape.
        around = kernels_around(generator, proposal, population)
        population = sampled(generator, log_posterior, around, pilot, number)
    if population.pareto_k > MAX_PARETO_K:
        return Refused(f"Pareto k of the population is {population.pareto_k:.2f} (limit {MAX_PARETO_K})")
    straight, effective = resampled(generator, population, number)
    phis = funnel.populations(straight)
    if tick is not None:
        tick(num_draws // 2)
    if candidates_serve_all(devices):
        drawn, candidates = draw_for_all(key_devices, key_again, devices, surrogate, phis)
        effective = min(effective, candidates)
    else:
        drawn = draw_twice(key_devices, key_again, devices, surrogate, phis, programs)
    if tick is not None:
        tick(num_draws - num_draws // 2)
    worst = int(np.argmax(drawn.pareto_k))
    if drawn.pareto_k[worst] > MAX_PARETO_K:
        high = int((drawn.pareto_k > MAX_PARETO_K).sum())
        return Refused(
            f"Pareto k is above {MAX_PARETO_K} for {high} of {devices.number} devices, {drawn.pareto_k[worst]:.2f}"
            f" for {observations.devices[worst]!r}"
        )
    return _result(
        coordinates.parts(phis),
        drawn,
        population.pareto_k,
        effective,
        tuple(remark for remark in (quadrature.describe(), told) if remark),
        observations,
        model,
        (num_chains, num_draws),
    )


def kept_shape(shape: tuple[int, int], num_devices: int) -> tuple[int, int]:
    """Draws that are kept of each chain: fewer where their numbers would fill the memory."""
    num_chains, num_draws = shape
    most = -(-max(MAX_DEVICE_DRAWS // num_devices, LEAST_DRAWS) // num_chains)
    return num_chains, min(num_draws, most)


def _rough(coordinates: Coordinates) -> Quadrature:
    """Quadrature for the way to the population's peak."""
    if coordinates.shared:
        return ROUGH_MOVING
    return ROUGH_OF_MANY if len(coordinates.varying) >= MANY_AXES else ROUGH_STAYING


def _result(
    parts: tuple[np.ndarray, np.ndarray, np.ndarray],
    drawn: DrawnDevices,
    pareto_k: float,
    effective: float,
    remarks: tuple[str, ...],
    observations: Observations,
    model: Model,
    shape: tuple[int, int],
) -> Draws:
    mean, log_sd, _ = parts
    names = [p.linked_name for p in model.free if varies(p, "hierarchical")]
    values: dict[str, Any] = {}
    for column, name in enumerate(names):
        values |= {f"{name}_mean": mean[:, column], f"{name}_sd": np.exp(log_sd[:, column])}
    values |= drawn.values
    worst = int(np.argmax(drawn.pareto_k))
    of_population = pareto_k >= drawn.pareto_k[worst]
    convergence = Convergence(
        max_rhat=float("nan"),
        min_ess_bulk=effective,
        divergences=0,
        worst="population" if of_population else f"device {observations.devices[worst]}",
        pareto_k=float(max(pareto_k, drawn.pareto_k[worst])),
        approximation="devices integrated out by quadrature, population and devices",
    )
    return Draws(
        values={name: value.reshape(*shape, *value.shape[1:]) for name, value in values.items()},
        stats={"diverging": np.zeros(shape, bool)},
        convergence=convergence,
        remarks=remarks,
        weights={
            "pareto_k_population": ((), np.asarray(pareto_k)),
            "pareto_k_device": (("device",), drawn.pareto_k),
            "efficiency_device": (("device",), drawn.efficiency),
        },
    )
