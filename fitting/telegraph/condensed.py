r"""Long records condensed: an exact gradient over the whole, and segments for what is beyond it.

The log likelihood depends on the parameters through the density of the lowest level, which needs only sums over the
record, and through natural parameters :math:`\psi` (log odds of the emissions, logarithms of the transition
probabilities) as a cumulant generating function: its gradient is the expected number of transitions, of samples in
a level and their sum, exact over the whole; its second derivative is the covariance of those numbers *given the
record*, only what the noise hides. So the segments of `charz.fitting.stand_in` need to tell little: at thirteen
standard deviations between the levels nothing at all, and rare transitions all enter by the gradient.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from charz.errors import FitError
from charz.fitting.contract import Arrays, Observations, Values
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.stand_in import StandIn
from charz.fitting.telegraph.forward import Emission, Lanes, chained_terms, cut, lane_products
from charz.fitting.telegraph.likelihood import (
    Chain,
    Moments,
    chain_terms,
    emission_of,
    kept_possible,
    lanes_of,
    lowest_level,
    moments_of,
    rows_of,
    standardised,
)
from charz.fitting.telegraph.long_records import LongObservations
from charz.fitting.telegraph.streamed import Whole, moments, value_and_gradient

NUM_SEGMENTS = 64
LANES_OF_SEGMENT, STEPS_OF_LANE = 32, 64
SEGMENT_SAMPLES = LANES_OF_SEGMENT * STEPS_OF_LANE
PART_SAMPLES = NUM_SEGMENTS * SEGMENT_SAMPLES

# What of the observations a pass over the whole needs.
RECORD = ("signal", "seen", "centre", "scale", "length")

ChainOf = Callable[[Values, Arrays], Chain]


class Natural(NamedTuple):
    """Parameters in which the recursion is a cumulant generating function, dimensionless.

    Parameters
    ----------
    emission : Emission
        Of the standardised signal.
    log_transition : array (from, to)
    log_stationary : array (state,)
    """

    emission: Emission
    log_transition: Float[Array, "from to"]
    log_stationary: Float[Array, " state"]


def condensing(
    chain_of: ChainOf, num_levels: int = 2, *, drifting: bool = False
) -> Callable[[Observations], StandIn | None]:
    """Make the `Model.subsample` of a chain, to be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    chain_of : callable
        ``(values, arrays) -> Chain`` of one device.
    num_levels : int
    drifting : bool
        Whether the levels move over the record.

    Returns
    -------
    callable
        ``observations -> StandIn``, or None where a record is not much longer than the segments together, or where
        one ends within a segment.
    """
    num_natural = (num_levels - 1) * (3 if drifting else 2) + num_levels**2 + num_levels

    def condense(observations: Observations) -> StandIn | None:
        length = observations.arrays["length"]
        long = isinstance(observations, LongObservations)
        if long and length.min() < SEGMENT_SAMPLES:
            short = observations.devices[int(length.argmin())]
            raise FitError(
                f"device {short} has {int(length.min())} samples beside records that are read in chunks, which takes at"
                f" least {SEGMENT_SAMPLES}: leave it out, or fit it by itself"
            )
        if length.min() < SEGMENT_SAMPLES or (
            not long and observations.measured.shape[1] <= 2 * PART_SAMPLES
        ):
            return None
        part = _part(observations)
        fixed = {n: a for n, a in observations.arrays.items() if a.shape != observations.measured.shape}
        share = length / PART_SAMPLES
        given = {n: jnp.asarray(a, jnp.float64) for n, a in {**fixed, **part, "share": share}.items()}
        passes = (
            _Streamed(chain_of, observations, drifting)
            if isinstance(observations, LongObservations)
            else _InMemory(chain_of, observations, drifting)
        )

        def with_ties(ties: dict[str, Array]) -> StandIn:
            arrays = {n: np.asarray(a) for n, a in {**given, **ties}.items()}
            told = {n: getattr(observations, n) for n in ("devices", "observed", "dims", "units")}
            return StandIn(
                **told,
                arrays=arrays,
                measured=part["seen"] > 0,
                anchored=anchored,
                number=int(length.sum()),
                only=long,
            )

        def anchored(values: Values) -> StandIn:
            named = {n: jnp.asarray(v) for n, v in values.items()}
            value, slope = passes.expand(named, given)
            ties = _anchor(chain_of, drifting)(named, given, value, slope)
            return with_ties({**ties, "moments": passes.moments})

        blank = jnp.zeros((len(share), NUM_SEGMENTS))
        return with_ties(
            {
                "anchor": jnp.zeros((len(share), num_natural)),
                "tilt": jnp.zeros((len(share), NUM_SEGMENTS, num_natural)),
                "constant": blank,
                "moments": share[:, None] * _part_moments({**fixed, **part}, drifting),
            }
        )

    return condense


def record_terms(chain: Chain, arrays: Arrays) -> Float[Array, " block"]:
    """Log likelihood of a record, block by block, or of a stand-in, segment by segment, in nats."""
    return condensed_terms(chain, arrays) if "tilt" in arrays else chain_terms(chain, arrays)


def condensed_terms(chain: Chain, arrays: Arrays) -> Float[Array, " segment"]:
    """Log likelihood of the whole record, from the arrays of a stand-in, shared out among its segments, in nats."""
    standard = standardised(chain, arrays)
    natural, structure = ravel_pytree(natural_of(chain, arrays))
    segments = _segment_lanes(arrays, chain.drift is not None)
    beyond = jax.vmap(lambda one: _log_density(structure(natural), one))(segments)
    lowest = lowest_level(standard, Moments(*arrays["moments"]), arrays["scale"])
    tied = arrays["tilt"] @ (natural - arrays["anchor"]) + arrays["constant"]
    return arrays["share"] * beyond + tied + lowest / NUM_SEGMENTS


def natural_of(chain: Chain, arrays: Arrays) -> Natural:
    """Natural parameters of a chain in the units of the record."""
    emission = emission_of(standardised(chain, arrays))
    return Natural(emission, jnp.log(kept_possible(chain.transition)), jnp.log(chain.stationary))


def _log_density(natural: Natural, lanes: Lanes) -> Array:
    """Log density over that of the lowest level, of the chain that starts where it has run for long."""
    matrix, log_scale = lane_products(natural.emission, rows_of(jnp.exp(natural.log_transition)), lanes)
    return chained_terms(matrix, log_scale, jnp.exp(natural.log_stationary)).sum()


def _segment_lanes(arrays: Arrays, drifting: bool) -> Lanes:
    """Lanes of every segment, (segment, step, lane)."""

    def lanes(values: Array) -> Array:
        return values.reshape(NUM_SEGMENTS, LANES_OF_SEGMENT, STEPS_OF_LANE).swapaxes(1, 2)

    seen = arrays["seen"] > 0
    standard = jnp.where(seen, (arrays["signal"] - arrays["centre"]) / arrays["scale"], 0.0)
    moves = jnp.arange(seen.size) % SEGMENT_SAMPLES > 0
    return Lanes(lanes(standard), lanes(seen), lanes(arrays["passed"]) if drifting else None, lanes(moves))


class _InMemory:
    """Passes over records that are there as a whole."""

    def __init__(self, chain_of: ChainOf, observations: Observations, drifting: bool) -> None:
        record = {n: jnp.asarray(observations.arrays[n], jnp.float64) for n in RECORD}
        self._lanes, self.moments = _laid_out(record, drifting)
        self._chain_of = chain_of

    def expand(self, values: Values, arrays: Arrays) -> tuple[Array, Array]:
        """Value (device,) and slope (device, natural) of the whole."""
        return _expansion(self._chain_of)(values, arrays, self._lanes)


class _Streamed:
    """Passes over records that are read in chunks."""

    def __init__(self, chain_of: ChainOf, observations: LongObservations, drifting: bool) -> None:
        arrays = observations.arrays
        centre, scale, length = (arrays[name] for name in ("centre", "scale", "length"))
        self._wholes = [
            Whole(observations.record, i, float(centre[i]), float(scale[i]), float(length[i]), drifting)
            for i in range(len(observations.devices))
        ]
        self._chain_of = chain_of
        self.moments = jnp.asarray(np.stack([moments(whole) for whole in self._wholes]))

    def expand(self, values: Values, arrays: Arrays) -> tuple[Array, Array]:
        """Value (device,) and slope (device, natural) of the whole."""
        found = []
        for whole in self._wholes:
            own = {n: v[whole.device] for n, v in values.items()}
            told = {n: a[whole.device] for n, a in arrays.items()}
            found.append(value_and_gradient(whole, natural_of(self._chain_of(own, told), told)))
        value, slope = zip(*found, strict=True)
        return jnp.asarray(value), jnp.asarray(np.stack(slope))


@lru_cache(maxsize=16)
def _expansion(chain_of: ChainOf) -> Callable[[Values, Arrays, Lanes], tuple[Array, Array]]:
    """Value and slope of whole records at given values, compiled, for all devices."""

    def one(values: Values, arrays: Arrays, lanes: Lanes) -> tuple[Array, Array]:
        natural, structure = ravel_pytree(natural_of(chain_of(values, arrays), arrays))
        return jax.value_and_grad(lambda psi: _log_density(structure(psi), lanes))(natural)

    return jax.jit(jax.vmap(one), compiler_options=COMPILER_OPTIONS)


@lru_cache(maxsize=16)
def _anchor(chain_of: ChainOf, drifting: bool) -> Callable[[Values, Arrays, Array, Array], dict[str, Array]]:
    """Arrays that tie a stand-in to the whole record at given values, compiled, for all devices."""

    def one(values: Values, arrays: Arrays, value: Array, slope: Array) -> dict[str, Array]:
        natural, structure = ravel_pytree(natural_of(chain_of(values, arrays), arrays))
        expand = jax.value_and_grad(lambda psi, record: _log_density(structure(psi), record))
        segments = _segment_lanes(arrays, drifting)
        segment_values, segment_slopes = jax.vmap(expand, in_axes=(None, 0))(natural, segments)
        return {
            "anchor": natural,
            "tilt": slope / NUM_SEGMENTS - arrays["share"] * segment_slopes,
            "constant": value / NUM_SEGMENTS - arrays["share"] * segment_values,
        }

    return jax.jit(jax.vmap(one), compiler_options=COMPILER_OPTIONS)


@partial(jax.jit, static_argnums=1, compiler_options=COMPILER_OPTIONS)
def _laid_out(record: Arrays, drifting: bool) -> tuple[Lanes, Array]:
    """Records in lanes, and the sums over each, (device, moment)."""

    def one(arrays: Arrays) -> tuple[Lanes, Array]:
        lanes = lanes_of(arrays, drifting=drifting)
        # Natural parameters move transitions off a sum of one: those that nobody saw would count for something.
        index = jnp.arange(arrays["signal"].size)
        lanes = lanes._replace(moves=cut((index > 0) & (index < arrays["length"])))
        return lanes, jnp.stack([moment.sum() for moment in moments_of(lanes)])

    return jax.vmap(one)(record)


def _part_moments(arrays: Mapping[str, np.ndarray], drifting: bool) -> np.ndarray:
    """Sums over the segments of each record, (device, moment)."""
    seen = arrays["seen"] > 0
    y = np.where(seen, (arrays["signal"] - arrays["centre"][:, None]) / arrays["scale"][:, None], 0.0)
    t = np.where(seen & drifting, arrays["passed"], 0.0)
    return np.stack([a.sum(1) for a in (seen, y, y**2, t, y * t, t**2)], -1)


def _part(observations: Observations) -> dict[str, np.ndarray]:
    """Segments spread evenly over every record, one after another; of each sample the share of the record passed."""
    length = observations.arrays["length"].astype(int)
    spread = np.linspace(0.0, 1.0, NUM_SEGMENTS)
    starts = np.round(np.maximum(length - SEGMENT_SAMPLES, 0)[:, None] * spread).astype(int)
    place = (starts[..., None] + np.arange(SEGMENT_SAMPLES)).reshape(len(length), -1)
    if isinstance(observations, LongObservations):
        record = observations.record
        signal = np.stack(
            [
                np.concatenate([record.read(device, start, start + SEGMENT_SAMPLES) for start in row])
                for device, row in enumerate(starts)
            ]
        )
        seen = np.isfinite(signal)
        signal = np.where(seen, signal, observations.arrays["centre"][:, None])
    else:
        signal, seen = (np.take_along_axis(observations.arrays[n], place, 1) for n in ("signal", "seen"))
    return {
        "signal": signal,
        "seen": seen.astype(np.int64),
        "passed": place / observations.arrays["length"][:, None] - 0.5,
    }
