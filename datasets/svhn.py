"""SVHN from local files: MATLAB 5 files with ``X`` (32, 32, 3, n), uint8, and ``y`` (n, 1); label 10 is digit 0.

Y. Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011 (cropped digits).
"""

from pathlib import Path

import numpy as np

from charz.datasets.cifar10 import Labelled
from charz.datasets.idx import LabelledSets
from charz.datasets.locate import find_files
from charz.errors import ReadError

FOLDER = "svhn"
FILES = ("train_32x32.mat", "test_32x32.mat")
IMAGE_SHAPE = (32, 32, 3)


def read_svhn(seed: int = 0, root: Path | str | None = None) -> LabelledSets:
    """Read the training and test sets of cropped digits.

    Parameters
    ----------
    seed : int
        Not used: the test set is the official one.
    root : path, optional
        Folder that holds ``svhn/``.

    Returns
    -------
    LabelledSets
        Images of shape (n, 32, 32, 3), labels 0 to 9 (the file's 10 is the digit 0).

    Raises
    ------
    ReadError
        When files are missing or damaged.
    """
    train, test = (read_cropped(path) for path in find_files(FOLDER, FILES, root))
    return LabelledSets(*train, *test)


def read_cropped(path: Path) -> Labelled:
    """Read one file.

    Raises
    ------
    ReadError
        When ``X`` or ``y`` is missing, of another shape or type, or a label is not 1 to 10.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, variable_names=("X", "y"))
    except (MatReadError, ValueError, TypeError, OSError, NotImplementedError) as error:
        raise ReadError(f"{path}: expected a MATLAB 5 file with X and y ({error})") from error
    images, labels = content.get("X"), content.get("y")
    if images is None or images.ndim != 4 or images.shape[:3] != IMAGE_SHAPE or images.dtype != np.uint8:
        found = "none" if images is None else f"{images.dtype} of shape {images.shape}"
        raise ReadError(
            f"{path}: expected X of unsigned bytes, (32, 32, 3, n), image index last; found {found}"
        )
    if labels is None or labels.size != images.shape[3]:
        found = "none" if labels is None else str(labels.size)
        raise ReadError(f"{path}: expected {images.shape[3]} labels y, one an image; found {found}")
    labels = labels.ravel()
    wrong = (labels < 1) | (labels > 10)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ReadError(f"{path}: expected labels 1 to 10 (10 is the digit 0), found {labels[row]} at {row}")
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), (labels % 10).astype(np.int32)
