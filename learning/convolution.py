"""Convolution and max-pooling of images (batch, row, column, channel), in forms that are fast in compiled loops.

Within a compiled loop XLA's own convolution runs many times slower on CPU than outside; patches and matrix products
do not. Of many channels only the neighbours along a row are gathered, into an array whose first axis is the row: a
kernel is then one matrix product for each of its rows, with rows that are next to each other in memory, and the array
is a kernel-th of all patches. Of few channels the products would be too thin, and whole patches are gathered.
"""

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Inputs of a product (kernel · channels) from which on one product a row is faster; measured between 25 and 160.
WIDE = 64


def convolve(
    images: Float[Array, "batch height width channels"],
    weight: Float[Array, "inputs neurons"],
    kernel: int,
    padding: int = 0,
) -> Float[Array, "batch rows columns neurons"]:
    r"""Correlate images with kernels, stride 1.

    .. math:: y_{b,r,s,n} = \sum_{i,j,c} x_{b,r+i,s+j,c}\,W_{(i,j,c),n}

    Parameters
    ----------
    images : array (batch, height, width, channels)
    weight : array (kernel² · channels, neurons)
        As of `Architecture.weight_shapes`.
    kernel, padding : int
        Rows of the kernel; zeros put around each image.
    """
    if padding:
        sides = (padding, padding)
        images = jnp.pad(images, ((0, 0), sides, sides, (0, 0)))
    if kernel * images.shape[-1] < WIDE:
        return _product(patches(images, kernel), weight)
    return _by_rows(kernel, images.transpose(1, 0, 2, 3), weight).transpose(1, 0, 2, 3)


def patches(images: Float[Array, "batch height width channels"], kernel: int) -> Float[Array, "..."]:
    """All kernel × kernel neighbourhoods, gathered along columns first: 2 kernel copies in place of kernel².

    Returns
    -------
    array (batch, height - kernel + 1, width - kernel + 1, kernel² · channels)
        The last axis in the order (row, column, channel).
    """
    height = images.shape[1] - kernel + 1
    along = _neighbours(images, kernel)
    return jnp.concatenate([along[:, start : start + height] for start in range(kernel)], axis=-1)


def max_pool(
    images: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch rows columns channels"]:
    """Largest value of each size × size block; what is left over at the lower and right edge is cut off.

    Where several are largest, as often happens with integers, they share the derivative.
    """
    if size == 1:
        return images
    height, width = (side // size * size for side in images.shape[1:3])
    return _largest(size, images[:, :height, :width])


def _neighbours(
    images: Float[Array, "a b width channels"], kernel: int
) -> Float[Array, "a b columns inputs"]:
    """Each place with its neighbours to the right, ``inputs`` in the order (column, channel)."""
    width = images.shape[2] - kernel + 1
    return jnp.concatenate([images[:, :, start : start + width] for start in range(kernel)], axis=-1)


# Derivatives are written out below. Found automatically, they cost as much again as all the rest: a transposed product
# for a few inputs, sums of products padded to whole images, a pass over the image for every corner of a block.
@jax.custom_vjp
def _product(gathered: Float[Array, "*place inputs"], weight: Float[Array, "inputs neurons"]) -> Array:
    return gathered @ weight


def _product_forward(gathered: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return gathered @ weight, (gathered, weight)


def _product_backward(saved: tuple[Array, Array], pulled: Array) -> tuple[Array, Array]:
    gathered, weight = saved
    flat = gathered.reshape(-1, gathered.shape[-1])
    return pulled @ weight.T, flat.T @ pulled.reshape(-1, pulled.shape[-1])


_product.defvjp(_product_forward, _product_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _largest(size: int, images: Float[Array, "batch height width channels"]) -> Array:
    rows = reduce(jnp.maximum, [images[:, start::size] for start in range(size)])
    return reduce(jnp.maximum, [rows[:, :, start::size] for start in range(size)])


def _largest_forward(size: int, images: Array) -> tuple[Array, tuple[Array, Array]]:
    largest = _largest(size, images)
    return largest, (images, largest)


def _largest_backward(size: int, saved: tuple[Array, Array], pulled: Array) -> tuple[Array]:
    images, largest = saved
    corners = [images[:, row::size, column::size] for row in range(size) for column in range(size)]
    share = pulled / sum((corner == largest).astype(images.dtype) for corner in corners)

    def spread(values: Array) -> Array:
        return jnp.repeat(jnp.repeat(values, size, 1), size, 2)

    return (jnp.where(images == spread(largest), spread(share), 0),)


_largest.defvjp(_largest_forward, _largest_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _by_rows(
    kernel: int, images: Float[Array, "height batch width channels"], weight: Float[Array, "inputs neurons"]
) -> Float[Array, "rows batch columns neurons"]:
    return _by_rows_forward(kernel, images, weight)[0]


def _by_rows_forward(kernel: int, images: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    along = _neighbours(images, kernel)
    height = images.shape[0] - kernel + 1
    kernel_rows = weight.reshape(kernel, -1, weight.shape[1])
    sums = sum(along[row : row + height] @ kernel_rows[row] for row in range(kernel))
    return jnp.asarray(sums), (along, weight)


def _by_rows_backward(kernel: int, saved: tuple[Array, Array], pulled: Array) -> tuple[Array, Array]:
    along, weight = saved
    height, batch, width, neurons = pulled.shape
    inputs = along.shape[-1]
    kernel_rows = weight.reshape(kernel, inputs, neurons)
    flat = pulled.reshape(-1, neurons)
    of_weight = [(flat.T @ along[row : row + height].reshape(-1, inputs)).T for row in range(kernel)]
    of_along = jnp.zeros_like(along)
    for row in range(kernel):
        of_along = of_along.at[row : row + height].add(pulled @ kernel_rows[row].T)
    of_along = of_along.reshape(*along.shape[:-1], kernel, -1)
    of_images = jnp.zeros((along.shape[0], batch, width + kernel - 1, of_along.shape[-1]), along.dtype)
    for column in range(kernel):
        of_images = of_images.at[:, :, column : column + width].add(of_along[:, :, :, column])
    return of_images, jnp.concatenate(of_weight)


_by_rows.defvjp(_by_rows_forward, _by_rows_backward)
