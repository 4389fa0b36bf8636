"""NUTS in double precision, as one small compiled program that later fits of the same shape reuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.util import constrain_fn, potential_energy

from charz.fitting.population import ModelData

STEPS_PER_CALL = 100
MAX_TREE_DEPTH = 10
# Level 1 instead of 3 halves the time to compile (12 s to 5 s for 24 devices) and leaves the speed as it is.
COMPILER_OPTIONS = {"xla_backend_optimization_level": 1}
KEPT = ("z", "diverging", "num_steps", "accept_prob", "energy")


@dataclass(frozen=True)
class Sampler:
    """Settings that shape the compiled program.

    Parameters
    ----------
    warmup : int
        Steps of adaptation (step size and mass matrix), discarded.
    target_accept : float
        Mean acceptance that the step size aims at.
    dense : bool
        Adapt a dense mass matrix; worth it for a handful of correlated parameters.
    """

    warmup: int = 500
    target_accept: float = 0.95
    dense: bool = False


class Program:
    """NUTS for one model function, compiled once per shape of data and number of chains.

    All sites are raveled into one vector, centred and scaled by ``coordinate_centre`` and ``coordinate_scale`` of
    the data: the tree building of NUTS carries a dozen copies of the position, and with one array in place of
    nine the program compiles and runs faster; with unit scales adaptation starts near its end.

    Parameters
    ----------
    model_function : callable
        NumPyro model of one argument, the data.
    sampler : Sampler
    example : mapping
        One unconstrained position, for the names and shapes of the sites.
    """

    def __init__(
        self,
        model_function: Callable[[ModelData], None],
        sampler: Sampler,
        example: Mapping[str, np.ndarray],
    ) -> None:
        _, unravel = ravel_pytree(dict(example))

        def sites_of(flat: Array, data: ModelData) -> dict[str, Array]:
            return unravel(data["coordinate_centre"] + data["coordinate_scale"] * flat)

        # Traced once, however often the sampler's loops call for it.
        @jax.jit
        def energy(flat: Array, data: ModelData) -> Array:
            return potential_energy(model_function, (data,), {}, sites_of(flat, data))

        def potential(data: ModelData) -> Callable[[Array], Array]:
            return lambda flat: energy(flat, data)

        init_kernel, sample_kernel = hmc(potential_fn_gen=potential, algo="NUTS")

        def start(keys: Array, positions: Array, data: ModelData) -> HMCState:
            def one(key: Array, flat: Array) -> HMCState:
                return init_kernel(
                    flat,
                    num_warmup=sampler.warmup,
                    target_accept_prob=sampler.target_accept,
                    dense_mass=sampler.dense,
                    max_tree_depth=MAX_TREE_DEPTH,
                    model_args=(data,),
                    rng_key=key,
                )

            return jax.vmap(one)(keys, positions)

        def advance(state: HMCState, data: ModelData) -> tuple[HMCState, dict[str, Array]]:
            def step(state: HMCState, _: None) -> tuple[HMCState, dict[str, Array]]:
                state = jax.vmap(lambda one: sample_kernel(one, (data,)))(state)
                return state, {name: getattr(state, name) for name in KEPT}

            return jax.lax.scan(step, state, None, length=STEPS_PER_CALL)

        def values(flat: Array, data: ModelData) -> dict[str, Array]:
            sites = jax.vmap(jax.vmap(partial(sites_of, data=data)))(flat)
            return constrain_fn(model_function, (data,), {}, sites, return_deterministic=True, batch_ndims=2)

        self._start = jax.jit(start, compiler_options=COMPILER_OPTIONS)
        self._advance = jax.jit(advance, compiler_options=COMPILER_OPTIONS)
        self._values = jax.jit(values, compiler_options=COMPILER_OPTIONS)

    def start(self, key: Array, start_values: Mapping[str, np.ndarray], data: ModelData) -> HMCState:
        """Begin one chain at each of the start values (unconstrained; chains along the leading axis)."""
        num_chains = len(next(iter(start_values.values())))
        sites = [{name: value[chain] for name, value in start_values.items()} for chain in range(num_chains)]
        flat = np.stack([raveled(one) for one in sites])
        positions = (flat - data["coordinate_centre"]) / data["coordinate_scale"]
        return self._start(jax.random.split(key, len(positions)), positions, data)

    def advance(
        self, state: HMCState, num_steps: int, data: ModelData, tick: Callable[[int], None] | None = None
    ) -> tuple[HMCState, dict[str, np.ndarray]]:
        """Move the chains on and return them with what they visited.

        Parameters
        ----------
        state : HMCState
            Chains along the leading axis.
        num_steps : int
            A multiple of `STEPS_PER_CALL`.
        data : mapping
        tick : callable, optional
            Called with the number of steps after each call of the compiled program.

        Returns
        -------
        state : HMCState
        visited : dict
            ``z`` (raveled positions), ``diverging``, ``num_steps``, ``accept_prob``, ``energy``;
            each (chain, step, ...).
        """
        parts = []
        for _ in range(num_steps // STEPS_PER_CALL):
            state, kept = self._advance(state, data)
            parts.append(jax.tree.map(np.asarray, kept))
            if tick is not None:
                tick(STEPS_PER_CALL)
        visited = {name: np.concatenate([part[name] for part in parts]).swapaxes(0, 1) for name in KEPT}
        return state, visited

    @staticmethod
    def with_smaller_steps(state: HMCState, factor: float) -> HMCState:
        """Shrink the adapted step size, so that later steps follow the curvature where transitions diverged."""
        adapted = state.adapt_state
        return state._replace(adapt_state=adapted._replace(step_size=factor * adapted.step_size))

    def values(self, positions: np.ndarray, data: ModelData) -> dict[str, np.ndarray]:
        """Sites and law parameters on their natural ranges, (chain, draw, ...), from raveled positions."""
        return jax.tree.map(np.asarray, self._values(positions, data))


def raveled(sites: Mapping[str, np.ndarray]) -> np.ndarray:
    """All sites of one position in one vector, in the order in which the program takes them apart."""
    return np.concatenate([np.ravel(sites[name]) for name in sorted(sites)])


_PROGRAMS: dict[object, Program] = {}


def compiled(
    model_function: Callable[[ModelData], None], sampler: Sampler, example: Mapping[str, np.ndarray]
) -> Program:
    """Return the program for a model and settings; the same object again on the next call.

    Data, the constants of the priors and the centring are arguments of the program: hundreds of fits of one
    shape (as in simulation-based calibration) compile once.
    """
    shapes = tuple((name, np.shape(value)) for name, value in sorted(example.items()))
    key = (model_function, sampler, shapes)
    if key not in _PROGRAMS:
        _PROGRAMS[key] = Program(model_function, sampler, example)
    return _PROGRAMS[key]
