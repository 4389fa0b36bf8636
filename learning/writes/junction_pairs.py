"""Write to pairs of tunnel junctions: the whole part of a change by full pulses, the rest by pulses that may fail."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from charz.devices.junction_pair import JunctionPairs, PairBits
from charz.devices.random_words import random_words, to_uniform
from charz.errors import TrainError
from charz.learning.grid import Grid, is_weight, map_weights
from charz.learning.pulse_code import Chances, PulseCode, chances
from charz.learning.rule import WriteScheme

Addressing = Literal["both", "first", "unswitched"]
TERNARY = Grid(doublings=1, limit=1.0)


class _Layer(NamedTuple):
    """Chances of the junctions of one layer: of set and of reset, first and second junctions each."""

    set: tuple[Chances, Chances]
    reset: tuple[Chances, Chances]


def junction_pairs(
    layers: Sequence[JunctionPairs],
    code: PulseCode = PulseCode(),  # noqa: B008 - frozen
    addressing: Addressing = "both",
) -> WriteScheme:
    r"""Write to synapses of two junctions each (Greenberg et al. 2021, sections 2.1 and 4 of the notes).

    A wanted change ρ is cut into whole steps κ and a rest ν (`Grid.split`). Its sign is the polarity of the pulses; the
    rest becomes a pulse width by the code. Which junctions get it:

    - ``both`` (G8): both get the same; a full pulse if κ ≠ 0. With chance p a junction,
      :math:`P(\Delta W = 1) = 2p(1-p)`, :math:`P(\Delta W = 2) = p^2` from W = -1, and p from 0.
    - ``first``: the first junction alone, also where it points that way already and nothing happens; the second one
      only as far as whole steps need it. From W = -1 the chance is p, from 0 it is p or nothing.
    - ``unswitched``: one that does not point that way yet, so the chance is p from either: the discrete transition
      itself. The controller must then know both bits.

    Parameters
    ----------
    layers : sequence of JunctionPairs
        Devices of each array of weights, in order; actual leaves (2, inputs, outputs) or scalar.
    code : PulseCode
    addressing : {"both", "first", "unswitched"}

    Returns
    -------
    WriteScheme
        Weights hold `PairBits` in place of every array called ``weight``, biases as they are. ``info``: ``writes``,
        weights that changed; ``pulses`` and ``pulse_time``, number and summed width (s) of all pulses.

    Raises
    ------
    TrainError
        For an unknown addressing, laws that do not know the width of a pulse, or another number of layers than the
        network has.
    """
    if addressing not in get_args(Addressing):
        raise TrainError(
            f"addressing {addressing!r} is not known; choose one of {', '.join(get_args(Addressing))}"
        )
    switching = [_switching(code, pairs) for pairs in layers]

    def init(key: PRNGKeyArray, theta: PyTree) -> PyTree:
        number = sum(is_weight(path) for path, _ in jax.tree_util.tree_leaves_with_path(theta))
        if number != len(switching):
            raise TrainError(
                f"{len(switching)} layers of junctions for a network with {number} arrays of weights"
            )
        return map_weights(
            lambda number, leaf: _start(jax.random.fold_in(key, number), TERNARY.nearest(leaf)),
            lambda leaf: leaf,
            theta,
        )

    def apply(key: PRNGKeyArray, weights: PyTree, change: PyTree) -> tuple[PyTree, dict[str, Array]]:
        counts: list[dict[str, Array]] = []
        remaining = iter(switching)

        def one(number: int, wanted: Array, bits: PairBits) -> PairBits:
            key_here = jax.random.fold_in(key, number)
            moved, seen = _pulse(key_here, bits, wanted, next(remaining), addressing)
            counts.append(seen)
            return moved

        moved = map_weights(one, lambda step, leaf: leaf + step, change, weights)
        return moved, {name: jnp.asarray(sum(seen[name] for seen in counts)) for name in counts[0]}

    def read(weights: PyTree) -> PyTree:
        return jax.tree.map(
            lambda leaf: leaf.weight if isinstance(leaf, PairBits) else leaf,
            weights,
            is_leaf=lambda leaf: isinstance(leaf, PairBits),
        )

    return WriteScheme(init, apply, read)


def _switching(code: PulseCode, pairs: JunctionPairs) -> _Layer:
    """Junction by junction, so that both directions of each know their own laws."""

    def of_junction(junction: int) -> tuple[Chances, Chances]:
        actual = jax.tree.map(lambda leaf: leaf[junction] if jnp.ndim(leaf) else leaf, pairs.actual)
        return chances(code, actual, pairs.believed)

    both = [of_junction(0), of_junction(1)]
    return _Layer((both[0][0], both[1][0]), (both[0][1], both[1][1]))


def _start(key: PRNGKeyArray, state: Float[Array, "..."]) -> PairBits:
    """Bits of given weights; of the two zeros one by a fair coin."""
    coin = to_uniform(random_words(key, state.shape)[0]) < 0.5
    first = jnp.where(state == 0, coin, state > 0)
    second = jnp.where(state == 0, ~coin, state > 0)
    return PairBits(jnp.stack([first, second]).astype(jnp.int8))


def _pulse(
    key: PRNGKeyArray, pair: PairBits, change: Float[Array, "..."], layer: _Layer, addressing: Addressing
) -> tuple[PairBits, dict[str, Array]]:
    whole, rest = TERNARY.split(pair.weight, change)
    upwards = change > 0
    # Bits counted towards the pulse's end: True where a junction points there already.
    aligned = [(bit == 1) == upwards for bit in pair.bits]
    full, partial = _addressed(addressing, jnp.abs(whole), jnp.abs(rest), aligned)
    words = random_words(key, change.shape)
    bits, pulses, time = [], jnp.zeros(()), jnp.zeros(())
    for junction in range(2):
        # Towards +1 the first junction is set and the second reset; towards -1 the other way round.
        set_, reset = layer.set[junction], layer.reset[junction]
        up, down = (set_, reset) if junction == 0 else (reset, set_)
        share = jnp.where(partial[junction], jnp.abs(rest) / TERNARY.step, 0.0)
        chance = jnp.where(upwards, up.of(share, full[junction]), down.of(share, full[junction]))
        flips = ~aligned[junction] & (to_uniform(words[junction]) < chance)
        bits.append(jnp.where(flips, upwards, pair.bits[junction]).astype(jnp.int8))
        width = jnp.where(upwards, _width(up, share, full[junction]), _width(down, share, full[junction]))
        pulses, time = pulses + jnp.count_nonzero(width), time + width.sum()
    moved = PairBits(jnp.stack(bits))
    writes = jnp.count_nonzero(moved.weight != pair.weight)
    return moved, {
        "writes": writes.astype(jnp.float32),
        "pulses": pulses.astype(jnp.float32),
        "pulse_time": time,
    }


def _addressed(
    addressing: Addressing,
    whole: Float[Array, "..."],
    rest: Float[Array, "..."],
    aligned: list[Bool[Array, "..."]],
) -> tuple[list[Bool[Array, "..."]], list[Bool[Array, "..."]]]:
    """Junctions that get a full pulse, and those that get one for the rest; a full one goes before."""
    some = rest > 0
    if addressing == "both":
        return [whole > 0, whole > 0], [some, some]
    if addressing == "first":
        # A whole step from zero ends at the border and needs whichever junction is left: both are pulsed.
        last = (whole == 2) | ((whole == 1) & (aligned[0] | aligned[1]))
        return [whole > 0, last], [some & (whole == 0), some & (whole == 1) & ~last]
    # The first unswitched junction takes the first step, and only then comes the second.
    free = [~aligned[0], ~aligned[1]]
    first_step = [free[0], free[1] & aligned[0]]
    second_step = [jnp.zeros_like(free[0]), free[0] & free[1]]
    full = [((whole >= 1) & a) | ((whole == 2) & b) for a, b in zip(first_step, second_step, strict=True)]
    partial = [
        some & (((whole == 0) & a) | ((whole == 1) & b)) for a, b in zip(first_step, second_step, strict=True)
    ]
    return full, partial


def _width(chances: Chances, share: Float[Array, "..."], full: Bool[Array, "..."]) -> Float[Array, "..."]:
    """Width of the pulse, in s; 0 where there is none."""
    return jnp.where(full, chances.code.full, jnp.where(share > 0, chances.code.width_of(share), 0.0))
