"""The 1797 handwritten digits that come with scikit-learn: 8×8 pixels, values 0 to 16, no file needed.

They are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI 1998). They
have no official split of their own, so the test set is drawn here.
"""

from pathlib import Path

import numpy as np

from charz.datasets.idx import LabelledSets
from charz.datasets.split import stratified_split

FULL_SCALE = 16
TEST_FRACTION = 0.2


def read_digits(seed: int, root: Path | str | None = None) -> LabelledSets:
    """Read the digits and set one fifth aside as the test set.

    Parameters
    ----------
    seed : int
        Of the stratified split (scikit-learn's ``random_state``): another seed is another test set.
    root : path, optional
        Not used: the digits are part of scikit-learn.

    Returns
    -------
    LabelledSets
        1437 images to train on and 360 to test with, of 8×8 pixels.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.int32)
    train, test = stratified_split(labels, TEST_FRACTION, seed)
    return LabelledSets(images[train], labels[train], images[test], labels[test])
