"""Small sets without images: iris, and the exclusive or."""

from collections.abc import Callable

import numpy as np

from charz.datasets.idx import LabelledSets
from charz.datasets.images import Images
from charz.datasets.split import stratified_split
from charz.errors import CharzError

IRIS_TEST_FRACTION = 0.2
# Each case of a logic task is shown so often in an epoch, so that an epoch has several steps.
XOR_REPEATS = 64


def read_iris(seed: int) -> tuple[LabelledSets, str]:
    """Fisher's iris (scikit-learn): 4 lengths of 150 flowers, 3 species; a stratified fifth is the test set."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    labels = iris.target.astype(np.int32)
    train, test = stratified_split(labels, IRIS_TEST_FRACTION, seed)
    rows = iris.data.astype(np.float32)
    return LabelledSets(rows[train], labels[train], rows[test], labels[test]), "Fisher's iris (scikit-learn)"


def load_iris_table(seed: int, validation_fraction: float) -> Images:
    """Iris, standardised by the mean and standard deviation of the training rows."""
    raw, description = read_iris(seed)
    train, validation = stratified_split(raw.train_labels, validation_fraction, seed)
    mean, sd = raw.train_images[train].mean(0), raw.train_images[train].std(0)
    rows, test = ((part - mean) / sd for part in (raw.train_images, raw.test_images))
    return Images(
        rows[train], raw.train_labels[train], rows[validation], raw.train_labels[validation], test, raw.test_labels,
        "iris", f"{description}, standardised, validation fraction {validation_fraction:g}, seed {seed}",
        rows.shape[1:],
    )  # fmt: skip


def load_xor_table(seed: int, validation_fraction: float) -> Images:
    """Exclusive or of two inputs in {0, 1}: there are four cases, so they train, validate and test alike."""
    cases = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0], np.int32)
    return Images(
        np.tile(cases, (XOR_REPEATS, 1)), np.tile(labels, XOR_REPEATS), cases, labels, cases, labels,
        "xor", f"exclusive or: 4 cases, {XOR_REPEATS} times an epoch; the same cases validate and test",
        cases.shape[1:],
    )  # fmt: skip


TABLES: dict[str, Callable[[int, float], Images]] = {"iris": load_iris_table, "xor": load_xor_table}


def load_table(name: str, *, seed: int = 0, validation_fraction: float = 0.2) -> Images:
    """Load a small set by name.

    Raises
    ------
    CharzError
        For an unknown name.
    """
    if name not in TABLES:
        raise CharzError(f"table {name!r} is not known; choose one of {', '.join(TABLES)}")
    return TABLES[name](seed, validation_fraction)
