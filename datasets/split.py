"""Seeded splits: which images train the network and which only judge it."""

import numpy as np
from numpy.typing import NDArray

from charz.errors import CharzError

Indices = NDArray[np.intp]


def check_fraction(validation_fraction: float) -> float:
    """Return the fraction if it lies strictly between 0 and 1.

    Raises
    ------
    CharzError
        Otherwise: training selects its checkpoint on validation images, and needs others to learn from.
    """
    if not 0 < validation_fraction < 1:
        raise CharzError(
            f"validation_fraction is {validation_fraction}; it must lie between 0 and 1 (exclusive), because "
            "the checkpoint is chosen on images that were not trained on"
        )
    return validation_fraction


def random_split(count: int, validation_fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Split positions at random.

    Parameters
    ----------
    count : int
        Number of images.
    validation_fraction : float
        Part that is set aside; the number is rounded to the nearest whole one.
    seed : int
        Of NumPy's `default_rng`; the same seed gives the same split.

    Returns
    -------
    train, validation : arrays of int
        Positions, disjoint, together all of ``range(count)``; validation has ``count × fraction`` of them.

    Raises
    ------
    CharzError
        When either part would be empty.
    """
    set_aside = round(count * check_fraction(validation_fraction))
    if not 0 < set_aside < count:
        raise CharzError(
            f"validation_fraction {validation_fraction} of {count} images leaves {count - set_aside} to "
            f"train on and {set_aside} to validate with; both need at least one image"
        )
    order = np.random.default_rng(seed).permutation(count)
    return order[set_aside:], order[:set_aside]


def stratified_split(
    labels: NDArray[np.int32], validation_fraction: float, seed: int
) -> tuple[Indices, Indices]:
    """Split positions so that each class has the same share in both parts.

    Parameters
    ----------
    labels : array of int, shape (n,)
        Classes.
    validation_fraction, seed
        As in `random_split`; the seed is scikit-learn's ``random_state``.

    Raises
    ------
    CharzError
        When a part would have fewer images than there are classes.
    """
    from sklearn.model_selection import train_test_split

    check_fraction(validation_fraction)
    try:
        train, validation = train_test_split(
            np.arange(len(labels)), test_size=validation_fraction, random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise CharzError(
            f"validation_fraction {validation_fraction} of {len(labels)} images cannot hold every class in "
            f"both parts: {error}"
        ) from error
    return train, validation
