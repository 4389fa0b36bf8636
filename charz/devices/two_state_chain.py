"""A Markov chain between two states, for many devices over many steps at once, 16 steps in a machine word.

A training step needs the state of every neuron's junction at every sample of the batch. Each step is a random map of
the state - to high, to low, or stay - and maps compose by two bitwise operations; so the states of 16 steps follow
from four doublings on whole words instead of a loop over time. A map takes two neighbouring bits of a word, that one
pass over the random numbers makes both.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

_STEPS = 16
# What a step does, as a pair of bits.
_TO_LOW, _TO_HIGH, _STAY = 0, 1, 2
# The lower bit of each pair.
_LOWER = 0x55555555
# The largest float32 below 2³²: a probability of 1 is wrong by 6e-8.
_MOST = 4294967040.0


def run_chain(
    words: UInt32[Array, "time devices"],
    state: UInt32[Array, "devices"],
    up: Float[Array, "..."],
    down: Float[Array, "..."],
) -> tuple[UInt32[Array, "time devices"], UInt32[Array, "devices"]]:
    r"""States after each step, and the last one.

    One uniform word u a step, as a fraction of :math:`2^{32}`, decides: below `up` the state becomes high, above
    :math:`1 -` `down` low, in between it stays. As `up` + `down` is at most 1 this is the chain exactly:
    :math:`P(0 \to 1)` = `up`, :math:`P(1 \to 0)` = `down`.

    Parameters
    ----------
    words : array of uint32 (time, devices)
        Uniform random words, one a step and device.
    state : array of uint32 (devices,)
        0 or 1 before the first step.
    up, down : array (devices,) or ()
        Probabilities of leaving the low and the high state within one step, with a sum of at most 1.

    Returns
    -------
    states : array of uint32 (time, devices)
        0 or 1 after each step.
    state : array of uint32 (devices,)
        After the last step.
    """
    falls = jnp.where(~words < _threshold(down), jnp.uint32(_TO_LOW), jnp.uint32(_STAY))
    maps = _pack(jnp.where(words < _threshold(up), jnp.uint32(_TO_HIGH), falls))
    high, stay = _compose_within(maps & jnp.uint32(_LOWER), (maps >> 1) & jnp.uint32(_LOWER))
    before = _before_words(high, stay, state)
    # 0 - 1 is a word of ones: the state before the word fills it wherever all steps so far have stayed.
    states = _unpack(high | (stay & (jnp.uint32(0) - before)))[: words.shape[0]]
    return states, states[-1]


def _threshold(probability: Float[Array, "..."]) -> UInt32[Array, "..."]:
    return jnp.minimum(probability * jnp.float32(2.0**32), jnp.float32(_MOST)).astype(jnp.uint32)


def _shifts() -> UInt32[Array, "steps 1"]:
    return 2 * jnp.arange(_STEPS, dtype=jnp.uint32)[:, None]


def _pack(codes: UInt32[Array, "time devices"]) -> UInt32[Array, "words devices"]:
    """Put consecutive steps into words, the first one lowest; missing steps stay."""
    num_steps, num_devices = codes.shape
    codes = jnp.pad(codes, ((0, -num_steps % _STEPS), (0, 0)), constant_values=_STAY)
    return (codes.reshape(-1, _STEPS, num_devices) << _shifts()).sum(1, dtype=jnp.uint32)


def _unpack(words: UInt32[Array, "words devices"]) -> UInt32[Array, "time devices"]:
    return ((words[:, None] >> _shifts()) & jnp.uint32(1)).reshape(-1, words.shape[1])


def _compose_within(high: Array, stay: Array) -> tuple[Array, Array]:
    """Compose the maps of all steps of a word up to each one: (high whatever came, state kept since the start)."""
    for bits in (2, 4, 8, 16):
        shift, passed = jnp.uint32(bits), jnp.uint32(((1 << bits) - 1) & _LOWER)
        high = high | (stay & (high << shift))
        stay = stay & ((stay << shift) | passed)
    return high, stay


def _before_words(high: Array, stay: Array, state: Array) -> UInt32[Array, "words devices"]:
    """State before each word, from the map of each whole word: its last step's."""

    def then(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] | (second[1] & first[0]), second[1] & first[1]

    last = jnp.uint32(2 * (_STEPS - 1))
    highs, stays = jax.lax.associative_scan(then, (high >> last, stay >> last))
    after = highs | (stays & state)
    return jnp.concatenate([state[None], after[:-1]])
