"""Draws of all devices from a few candidates each, and of those whose weights are unequal again, from more.

The programs are compiled, and their precision is measured, before there is a population to draw for.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.marginal.devices import Devices
from charz.fitting.marginal.drawn import DrawnDevices, draw_given_population
from charz.fitting.marginal.drawn_once import (
    candidates_serve_all,
    draw_from_candidates,
    number_of_candidates,
)
from charz.fitting.marginal.grid import NODES_PER_CALL
from charz.fitting.marginal.surrogate import Surrogate

# Outcomes evaluated with several pairs of candidates; of more, one pair has to do.
SEVERAL_PAIRS, OUTCOMES_WITH_SEVERAL = 4, 120_000_000
# A device whose candidates weigh unequally is drawn anew from more of them.
LOW_EFFICIENCY, DOUBTFUL_K, MORE_PAIRS = 0.6, 0.6, 12
# They are drawn so many at a time, so that the program is known before they are.
DRAWN_AGAIN = 32
# Of devices with long records fewer candidates, and only so many outcomes, a minute's or two.
PAIRS_OF_LONG, MOST_DRAWN_AGAIN = 2, 1e8
# So many outcomes, half a second of work, are drawn in single precision, if it is exact to so many nats.
OUTCOMES_IN_SINGLE, LARGEST_ERROR = 30_000_000, 1e-3


class Programs(NamedTuple):
    """Programs that are being compiled.

    Parameters
    ----------
    first : future
        Whether single precision is exact enough for the first draws.
    again : future
        Done when draws of more candidates are compiled.
    """

    first: Future[bool]
    again: Future[None]


def compile_ahead(
    key: Array, devices: Devices, surrogate: Surrogate, phi: np.ndarray, number: int
) -> Programs:
    """Compile on another core, while the population is found: each program draws for one call, which is forgotten.

    Parameters
    ----------
    key : PRNG key
    devices : Devices
    surrogate : Surrogate
    phi : array (size,)
        The population for which likelihoods are compared.
    number : int
        Draws that there will be.
    """
    thread = ThreadPoolExecutor(1)
    given = key, devices, surrogate, phi, number
    programs = Programs(thread.submit(_compile_first, *given), thread.submit(_compile_again, *given))
    thread.shutdown(wait=False)
    return programs


def _compile_first(key: Array, devices: Devices, surrogate: Surrogate, phi: np.ndarray, number: int) -> bool:
    if candidates_serve_all(devices):  # nothing takes long
        return False
    with jax.enable_x64(True):  # a setting of each thread
        single = _single_is_exact(key, devices, surrogate, phi, number)
        if not single:
            _draw_some(key, devices, surrogate, phi, number, devices.block, _first_pairs(devices, number))
        return single


def _compile_again(key: Array, devices: Devices, surrogate: Surrogate, phi: np.ndarray, number: int) -> None:
    if candidates_serve_all(devices) or _first_pairs(devices, number) > 1:
        return
    with jax.enable_x64(True):
        _draw_some(key, devices, surrogate, phi, number, _again(devices), MORE_PAIRS)


def _draw_some(
    key: Array,
    devices: Devices,
    surrogate: Surrogate,
    phi: np.ndarray,
    number: int,
    block: int,
    pairs: int,
    single: bool = False,
) -> tuple[Devices, DrawnDevices]:
    """Draw a block of devices, evenly spaced, for one population, as often as one call of the program does."""
    places = np.linspace(0, devices.number - 1, min(block, devices.number)).astype(int)
    few, part = devices.only(places, block), _part(surrogate, places)
    phis = np.repeat(phi[None], min(number, few.draws_per_call(2 * pairs)), axis=0)
    return few, draw_given_population(key, few, part, phis, pairs, single)


def draw_twice(
    key: Array,
    key_again: Array,
    devices: Devices,
    surrogate: Surrogate,
    phis: np.ndarray,
    programs: Programs,
) -> DrawnDevices:
    """Draw all devices, and those again, from more candidates and in double precision, whose weights are unequal.

    Parameters
    ----------
    key, key_again : PRNG key
    devices : Devices
    surrogate : Surrogate
    phis : array (draw, size)
    programs : Programs
    """
    single = programs.first.result()
    drawn = draw_given_population(key, devices, surrogate, phis, _first_pairs(devices, len(phis)), single)
    places = np.flatnonzero((drawn.efficiency < LOW_EFFICIENCY) | ~(drawn.pareto_k <= DOUBTFUL_K))
    programs.again.result()
    return _redrawn(key_again, devices, surrogate, phis, drawn, places, MORE_PAIRS)


def draw_for_all(
    key: Array, key_again: Array, devices: Devices, surrogate: Surrogate, phis: np.ndarray
) -> tuple[DrawnDevices, float]:
    """Draw devices from candidates that serve all populations, and those again, for each of them, whose do not.

    Parameters
    ----------
    key, key_again : PRNG key
    devices : Devices
        For which `candidates_serve_all`.
    surrogate : Surrogate
    phis : array (draw, size)

    Returns
    -------
    Draws, and the least effective number of the candidates that serve all: what the draws of a device are worth.
    """
    drawn, number = draw_from_candidates(key, devices, surrogate, phis), number_of_candidates(devices)
    doubtful = ~(drawn.pareto_k <= DOUBTFUL_K)
    outcomes = doubtful.sum() * float(devices.outcomes) * 2 * PAIRS_OF_LONG * len(phis)
    if not doubtful.any() or outcomes > MOST_DRAWN_AGAIN:
        return drawn, number * float(drawn.efficiency.min())
    effective = number * float(drawn.efficiency[~doubtful].min(initial=1.0))
    again = _redrawn(key_again, devices, surrogate, phis, drawn, np.flatnonzero(doubtful), PAIRS_OF_LONG)
    return again, effective


def _redrawn(
    key: Array,
    devices: Devices,
    surrogate: Surrogate,
    phis: np.ndarray,
    drawn: DrawnDevices,
    places: np.ndarray,
    pairs: int,
) -> DrawnDevices:
    """Draw some devices again, from more candidates and in double precision, into the arrays of the first draws."""
    if not len(places):
        return drawn
    few, part = devices.only(places, _again(devices)), _part(surrogate, places)
    again = draw_given_population(key, few, part, phis, pairs)
    for name, value in again.values.items():
        if value.ndim > 1:
            drawn.values[name][:, places] = value
    drawn.pareto_k[places], drawn.efficiency[places] = again.pareto_k, again.efficiency
    return drawn


def _single_is_exact(
    key: Array, devices: Devices, surrogate: Surrogate, phi: np.ndarray, number: int
) -> bool:
    """Compare likelihoods of a block's draws in both precisions; what is the same for a device changes no draw."""
    if 2 * devices.number * devices.outcomes * number < OUTCOMES_IN_SINGLE:
        return False
    few, drawn = _draw_some(key, devices, surrogate, phi, number, devices.block, 1, single=True)
    chosen = {p.name: drawn.values[p.name][:NODES_PER_CALL] for p in devices.model.free}
    columns = [np.asarray(p.link.forward(jnp.asarray(chosen[p.name]))) for p in devices.model.free]
    shape = np.broadcast_shapes(*(column.T.shape for column in columns))
    eta = np.stack([np.broadcast_to(column.T, shape) for column in columns], axis=-1)
    off = few.log_likelihoods(eta, single=True) - few.log_likelihoods(eta)
    # A likelihood that is no number in one of them compares as false.
    return bool((np.abs(off - off.mean(1, keepdims=True)) <= LARGEST_ERROR).all())


def _first_pairs(devices: Devices, number: int) -> int:
    """Pairs of candidates that all devices are drawn from."""
    outcomes = devices.number * devices.outcomes * number
    return SEVERAL_PAIRS if 2 * SEVERAL_PAIRS * outcomes <= OUTCOMES_WITH_SEVERAL else 1


def _again(devices: Devices) -> int:
    """Devices that are drawn again at a time: no more than memory has room for."""
    return min(DRAWN_AGAIN, devices.most_at_once)


def _part(surrogate: Surrogate, places: np.ndarray) -> Surrogate:
    return Surrogate(*(leaf[places] for leaf in surrogate))
