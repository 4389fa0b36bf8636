"""Image sets by name: one call gives arrays to train on, to validate with and to test with.

Adding a source is adding one file that reads it and one entry in `SOURCES`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.datasets import cifar10, digits, idx, svhn
from charz.datasets.preprocess import Preprocess, binary, gray, pooled_binary, signed, standardised
from charz.datasets.split import random_split, stratified_split
from charz.errors import CharzError


class Images(NamedTuple):
    """An image set, divided once.

    Select checkpoints on the validation part; the test part is for the number that is reported.

    Parameters
    ----------
    train_x, validation_x, test_x : array of float32, shape (n, features)
        Inputs, dimensionless; in [0, 1] unless standardised.
    train_y, validation_y, test_y : array of int32, shape (n,)
        Classes, from 0.
    name : str
        Name under which the set was loaded.
    source : str
        Where the images come from and what was done to them, in a sentence.
    shape : tuple of int
        Of a sample before it was flattened: (height, width, channels), or (features,) where it is no image.
    """

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int32]
    validation_x: NDArray[np.float32]
    validation_y: NDArray[np.int32]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int32]
    name: str
    source: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ImageSource:
    """How a named image set is read, divided and preprocessed.

    Parameters
    ----------
    description : str
        Where the images come from.
    read : callable
        From seed and root to the official training and test sets.
    full_scale : int
        Value of a fully inked pixel.
    preprocess : mapping of str to callable
        Ways to make inputs of the images; the first is the default.
    stratified : bool
        Whether the validation split keeps the share of each class (small sets); otherwise it is random.
    """

    description: str
    read: Callable[[int, Path | str | None], idx.LabelledSets]
    full_scale: int
    preprocess: Mapping[str, Preprocess]
    stratified: bool


def _idx_source(folder: str, description: str, mean: float, sd: float) -> ImageSource:
    return ImageSource(
        description=description,
        read=lambda seed, root: idx.read_sets(folder, root),
        full_scale=idx.FULL_SCALE,
        preprocess={
            "binary-14x14": pooled_binary,
            "binary": binary,
            "gray": gray,
            "signed": signed,
            "standardised": standardised((mean,), (sd,)),
        },
        stratified=False,
    )


def _colour_source(
    read: Callable[[int, Path | str | None], idx.LabelledSets],
    description: str,
    mean: tuple[float, ...],
    sd: tuple[float, ...],
) -> ImageSource:
    return ImageSource(
        description=description,
        read=read,
        full_scale=255,
        preprocess={"standardised": standardised(mean, sd), "gray": gray, "signed": signed},
        stratified=False,
    )


# Means and standard deviations: of the training images (MNIST: .1307 and .3081; CIFAR-10: as in the code of Koenders
# et al. 2025, whose deviations are those within images).
SOURCES: dict[str, ImageSource] = {
    "digits": ImageSource(
        description="scikit-learn digits (8×8)",
        read=digits.read_digits,
        full_scale=digits.FULL_SCALE,
        preprocess={
            "binary": binary,
            "gray": gray,
            "signed": signed,
            "standardised": standardised((0.3054,), (0.3761,)),
        },
        stratified=True,
    ),
    "mnist": _idx_source("mnist", "MNIST (28×28, local IDX files)", 0.1307, 0.3081),
    "fashion-mnist": _idx_source("fashion-mnist", "Fashion-MNIST (28×28, local IDX files)", 0.2860, 0.3530),
    "cifar-10": _colour_source(
        cifar10.read_cifar10,
        "CIFAR-10 (32×32 RGB, local files)",
        (0.4914, 0.4822, 0.4465),
        (0.2023, 0.1994, 0.2010),
    ),
    "svhn": _colour_source(
        svhn.read_svhn,
        "SVHN (32×32 RGB, local MATLAB files)",
        (0.4377, 0.4438, 0.4728),
        (0.1980, 0.2010, 0.1970),
    ),
}


def available_images() -> tuple[str, ...]:
    """Names that `load_images` knows; whether the files are on this machine is another question."""
    return tuple(SOURCES)


def load_images(
    name: str,
    *,
    seed: int = 0,
    validation_fraction: float = 0.2,
    root: Path | str | None = None,
    preprocess: str = "default",
) -> Images:
    """Load an image set from this machine; nothing is downloaded.

    Parameters
    ----------
    name : str
        ``digits`` (part of scikit-learn), ``mnist`` or ``fashion-mnist`` (local IDX files, plain or gzipped),
        ``cifar-10`` (binary batches, or containers of JPEG bytes) or ``svhn`` (MATLAB files).
    seed : int
        Decides which training images are set aside for validation and, for ``digits``, which fifth of all
        images is the test set. MNIST and Fashion-MNIST keep their official test sets.
    validation_fraction : float
        Part of the training images that is set aside: at random, stratified by class for ``digits``. By
        default ``digits`` has 1149 / 288 / 360 images and MNIST 48 000 / 12 000 / 10 000.
    root : path, optional
        Folder that holds ``mnist/`` or ``fashion-mnist/``; by default the folder named by ``CHARZ_DATA``,
        then the user's data folder (``$XDG_DATA_HOME/charz`` or ``~/.local/share/charz``).
    preprocess : str
        ``binary-14x14`` (2×2 max-pool, then value/255 > 0.5: the inputs of Ellis et al. 2023, and the default
        for 28×28 images), ``binary`` (value > half of full scale, the default for ``digits``), ``gray``
        (value / full scale), ``signed`` (2 value / full scale - 1) or ``standardised`` ((value / full scale - mean)
        / sd by colour, the default for colour images).

    Returns
    -------
    Images

    Raises
    ------
    CharzError
        When the name, the fraction or the preprocessing is not valid.
    ReadError
        When files are missing or damaged.

    Examples
    --------
    >>> images = load_images("digits", seed=1)
    >>> images.train_x.shape, images.validation_x.shape, images.test_x.shape
    ((1149, 64), (288, 64), (360, 64))
    """
    source = _find(name)
    chosen, transform = _find_preprocess(name, source, preprocess)
    raw = source.read(seed, root)
    if source.stratified:
        train, validation = stratified_split(raw.train_labels, validation_fraction, seed)
    else:
        train, validation = random_split(len(raw.train_labels), validation_fraction, seed)
    train_x = transform(raw.train_images, source.full_scale)
    return Images(
        train_x=train_x[train],
        train_y=raw.train_labels[train],
        validation_x=train_x[validation],
        validation_y=raw.train_labels[validation],
        test_x=transform(raw.test_images, source.full_scale),
        test_y=raw.test_labels,
        name=name,
        source=f"{source.description}, preprocessing {chosen}, "
        f"validation fraction {validation_fraction:g}, seed {seed}",
        shape=_sample_shape(raw.train_images.shape[1:], train_x.shape[1]),
    )


def _sample_shape(image: tuple[int, ...], features: int) -> tuple[int, ...]:
    """Height, width and channels of an image that preprocessing may have made smaller, the same on both sides."""
    height, width, channels = (*image, 1)[:3]
    shrunk = round(math.sqrt(height * width * channels / features))
    return (height // shrunk, width // shrunk, channels)


def _find(name: str) -> ImageSource:
    if name not in SOURCES:
        raise CharzError(f"image set {name!r} is not known; choose one of {', '.join(SOURCES)}")
    return SOURCES[name]


def _find_preprocess(name: str, source: ImageSource, preprocess: str) -> tuple[str, Preprocess]:
    chosen = next(iter(source.preprocess)) if preprocess == "default" else preprocess
    if chosen not in source.preprocess:
        raise CharzError(
            f"preprocessing {preprocess!r} is not known for {name}; "
            f"choose one of {', '.join(source.preprocess)}"
        )
    return chosen, source.preprocess[chosen]
