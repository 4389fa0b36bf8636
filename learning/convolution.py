"""Convolution and max-pooling of images (batch, row, column, channel), in forms that are fast in compiled loops.

Within a compiled loop XLA's own convolution runs many times slower on CPU than outside; patches and one matrix
product do not. Patches are gathered first along columns, then along rows: 2 k copies in place of k².
"""

from functools import reduce

import jax.numpy as jnp
from jaxtyping import Array, Float


def patches(images: Float[Array, "batch height width channels"], kernel: int) -> Float[Array, "..."]:
    """All kernel × kernel neighbourhoods.

    Returns
    -------
    array (batch, height - kernel + 1, width - kernel + 1, kernel² · channels)
        The last axis in the order (row, column, channel).
    """
    height, width = (side - kernel + 1 for side in images.shape[1:3])
    along = jnp.concatenate([images[:, :, start : start + width] for start in range(kernel)], axis=-1)
    return jnp.concatenate([along[:, start : start + height] for start in range(kernel)], axis=-1)


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
    return patches(images, kernel) @ weight


def max_pool(
    images: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch rows columns channels"]:
    """Largest value of each size × size block; what is left over at the lower and right edge is cut off.

    Where several are largest, as often happens with integers, they share the derivative.
    """
    if size == 1:
        return images
    height, width = (side // size * size for side in images.shape[1:3])
    columns = reduce(jnp.maximum, [images[:, :height, start:width:size] for start in range(size)])
    return reduce(jnp.maximum, [columns[:, start::size] for start in range(size)])
