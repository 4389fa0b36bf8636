"""Random words for inner loops: Threefry-2x32 written as one elementwise expression.

`jax.random` computes the same cipher on CPU in a rolled loop that cannot be fused with what uses the words; in
a training step that draws one number for every synapse of every sample this costs ten times more than all the
rest, and each use adds more than a second of compilation. Unrolled, XLA fuses cipher, comparison and sum into
one pass that never stores the words. Outside compiled loops use `jax.random`.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt32

# Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): rotations and key constant.
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_ROUNDS = 20


def random_words(
    key: PRNGKeyArray, shape: tuple[int, ...]
) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """Two independent arrays of uniform 32-bit words (each cipher block gives two).

    Parameters
    ----------
    key : PRNG key
        Its first 64 bits are the cipher's key; use a key for one call only.
    shape : tuple of int
        Shape of each array, at most 2³² elements; the counter is the element's index.
    """
    data = jax.random.key_data(key).astype(jnp.uint32).reshape(-1)
    keys = (data[0], data[1], data[0] ^ data[1] ^ jnp.uint32(_PARITY))
    left = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape) + keys[0]
    right = jnp.broadcast_to(keys[1], shape)
    for number in range(_ROUNDS):
        rotation = _ROTATIONS[(number // 4) % 2][number % 4]
        left = left + right
        right = (right << jnp.uint32(rotation)) | (right >> jnp.uint32(32 - rotation))
        right = right ^ left
        if number % 4 == 3:
            block = number // 4 + 1
            left = left + keys[block % 3]
            right = right + keys[(block + 1) % 3] + jnp.uint32(block)
    return left, right


def offset_key(
    key: PRNGKeyArray, index: Int[Array, ""] | int, group: Int[Array, ""] | int = 0
) -> PRNGKeyArray:
    """Another key at no cost: the second word plus `index`, the first plus `group`.

    For inner loops, from a key that is used for nothing else. The cipher makes independent words of any two different
    keys; `jax.random.fold_in` takes a run of it to make one.
    """
    first, second = jax.random.key_data(key).astype(jnp.uint32).reshape(-1)[:2]
    moved = [first + jnp.asarray(group, jnp.uint32), second + jnp.asarray(index, jnp.uint32)]
    return jax.random.wrap_key_data(jnp.stack(moved))


def to_uniform(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Uniform float32 numbers in [0, 1) from the upper 24 bits of each word."""
    return (words >> jnp.uint32(8)).astype(jnp.float32) * jnp.float32(2.0**-24)


def to_normal(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Standard normal float32 numbers, by the inverse error function of each word's upper 23 bits (within ±5.3)."""
    half = (words >> jnp.uint32(9)).astype(jnp.float32) + 0.5
    return math.sqrt(2) * jax.lax.erf_inv(half * jnp.float32(2.0**-22) - 1)


def normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Standard normal float32 numbers, see `to_normal`."""
    return to_normal(random_words(key, shape)[0])


def student_t(
    key: PRNGKeyArray, shape: tuple[int, ...], degrees_of_freedom: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Student's t of scale 1, without rejection (Bailey, Math. Comp. 62, 779 (1994)).

    .. math:: T = \sqrt{\nu(U^{-2/\nu} - 1)}\,\cos 2\pi V

    of two uniform numbers U, V; float32, U at least 2⁻²⁵.
    """
    first, second = (to_uniform(words) for words in random_words(key, shape))
    nu = degrees_of_freedom
    radius = jnp.sqrt(nu * (jnp.exp(-2 / nu * jnp.log(first + 2.0**-25)) - 1))
    return radius * jnp.cos(2 * math.pi * second)


def permutation(key: PRNGKeyArray, size: int) -> Int[Array, "size"]:
    """Uniformly random order of ``range(size)``: indices sorted by 64 random bits."""
    left, right = random_words(key, (size,))
    return jax.lax.sort((left, right, jnp.arange(size)), num_keys=2)[2]
