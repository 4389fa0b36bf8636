"""From raw pixels to the inputs of a network: each function maps images to rows of numbers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.uint8]
Rows = NDArray[np.float32]
Preprocess = Callable[[Raw, int], Rows]

# A value exactly half way is not ink: x > 0.5, as in the authors' code of Ellis et al. 2023.
THRESHOLD = 0.5


def gray(images: Raw, full_scale: int) -> Rows:
    """Gray levels: value / full scale, flattened.

    Parameters
    ----------
    images : array of uint8, shape (n, height, width) or (n, height, width, channel)
    full_scale : int
        Value of a fully inked pixel (255 in IDX files, 16 in the digits of scikit-learn).

    Returns
    -------
    array of float32, shape (n, height × width × channel)
        In [0, 1], dimensionless.
    """
    return (images.reshape(len(images), -1) / np.float32(full_scale)).astype(np.float32)


def binary(images: Raw, full_scale: int) -> Rows:
    """Ink or no ink: 1 where value / full scale > 0.5, else 0; flattened.

    Parameters and result are those of `gray`; every value of the result is 0 or 1.
    """
    return (gray(images, full_scale) > THRESHOLD).astype(np.float32)


def signed(images: Raw, full_scale: int) -> Rows:
    """Inputs of quantized networks: 2 value / full scale - 1, in [-1, 1]; otherwise as `gray`."""
    return 2 * gray(images, full_scale) - 1


def max_pool(images: Raw) -> Raw:
    """Largest value of each 2×2 block.

    Parameters
    ----------
    images : array of uint8, shape (n, 2 h, 2 w)

    Returns
    -------
    array of uint8, shape (n, h, w)
    """
    count, height, width = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.max(axis=(2, 4)))


def pooled_binary(images: Raw, full_scale: int) -> Rows:
    """Make the inputs of Ellis et al. 2023: 2×2 max-pool, then ink or no ink.

    The authors threshold at 0.5 the values stored in their own files, whose range is not known (0-255 would
    make it "any ink"). Here the threshold is half of full scale after pooling: this is our reading.

    Parameters
    ----------
    images : array of uint8, shape (n, 28, 28)
    full_scale : int
        Value of a fully inked pixel.

    Returns
    -------
    array of float32, shape (n, 196)
        Every value is 0 or 1.
    """
    return binary(max_pool(images), full_scale)


def standardised(mean: tuple[float, ...], sd: tuple[float, ...]) -> Preprocess:
    """Make a preprocessing (value / full scale - mean) / sd, a number a channel, of the training images.

    Parameters
    ----------
    mean, sd : tuple of float
        Of value / full scale; one number for gray images, three for colour.
    """

    def transform(images: Raw, full_scale: int) -> Rows:
        scaled = images.reshape(len(images), -1, len(mean)) / np.float32(full_scale)
        rows = (scaled - np.asarray(mean, np.float32)) / np.asarray(sd, np.float32)
        return rows.reshape(len(images), -1).astype(np.float32)

    return transform
