"""CIFAR-10 from local files: the standard binary batches, or containers of JPEG bytes.

Standard form: ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, records of one label byte and
1024 red, 1024 green, 1024 blue bytes (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).
Other form: ``train.npz`` and ``test.npz`` with ``jpeg`` (bytes, one image after another), ``offsets`` and
``labels``; such images are recompressed, so accuracies on them belong to "CIFAR-10, JPEG copy".
"""

import io
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charz.datasets.idx import LabelledSets
from charz.datasets.locate import find_files
from charz.errors import ReadError

FOLDER = "cifar-10"
TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_BATCH = "test_batch.bin"
CONTAINERS = ("train.npz", "test.npz")
SIDE, CHANNELS, NUM_CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE
MEMBERS = ("jpeg", "offsets", "labels")

Labelled = tuple[NDArray[np.uint8], NDArray[np.int32]]


def read_cifar10(seed: int = 0, root: Path | str | None = None) -> LabelledSets:
    """Read the official training and test sets; the standard binary files are preferred.

    Parameters
    ----------
    seed : int
        Not used: the test set is the official one.
    root : path, optional
        Folder that holds ``cifar-10/``; see `charz.datasets.locate.data_roots`.

    Returns
    -------
    LabelledSets
        Images of shape (n, 32, 32, 3), 0 to 255, red first; labels 0 to 9.

    Raises
    ------
    ReadError
        When files are missing or damaged.
    """
    try:
        paths = find_files(FOLDER, (*TRAIN_BATCHES, TEST_BATCH), root)
    except ReadError as missing:
        try:
            train, test = (read_container(path) for path in find_files(FOLDER, CONTAINERS, root))
        except ReadError as error:
            raise (error if ".npz:" in str(error) else missing) from None
        return LabelledSets(*train, *test)
    batches = [read_batch(path) for path in paths]
    images, labels = (np.concatenate(part) for part in zip(*batches[:-1], strict=True))
    return LabelledSets(images, labels, *batches[-1])


def read_batch(path: Path) -> Labelled:
    """Read one binary batch.

    Raises
    ------
    ReadError
        When the size is not a whole number of records, or a label is above 9.
    """
    content = np.fromfile(path, dtype=np.uint8)
    if content.size == 0 or content.size % RECORD:
        raise ReadError(
            f"{path}: {content.size} bytes are not a whole number of records of {RECORD} bytes (a label and 3 × 32 × 32"
            " values); copy the file again, unpacked"
        )
    records = content.reshape(-1, RECORD)
    labels = _checked(path, records[:, 0])
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def read_container(path: Path) -> Labelled:
    """Decode a container of JPEG bytes.

    Raises
    ------
    ReadError
        When members are missing, offsets do not fit the bytes, or an image is damaged or of another size.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with np.load(path, allow_pickle=False) as container:
            members = {name: container[name] for name in MEMBERS}
    except (KeyError, ValueError, OSError) as error:
        raise ReadError(f"{path}: expected an npz container with {', '.join(MEMBERS)} ({error})") from error
    content, offsets = members["jpeg"].tobytes(), members["offsets"]
    labels = _checked(path, members["labels"])
    if len(offsets) != len(labels) + 1 or np.any(np.diff(offsets) <= 0) or offsets[-1] != len(content):
        raise ReadError(
            f"{path}: {len(offsets)} offsets up to {offsets[-1] if len(offsets) else 'nothing'} do not cut"
            f" {len(content)} bytes into {len(labels)} images; copy the file again"
        )
    images = np.empty((len(labels), SIDE, SIDE, CHANNELS), np.uint8)
    for number, (start, stop) in enumerate(itertools.pairwise(offsets)):
        try:
            with Image.open(io.BytesIO(content[start:stop])) as image:
                images[number] = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise ReadError(f"{path}: image {number} is not a JPEG of 32 × 32 pixels ({error})") from error
    return images, labels


def _checked(path: Path, labels: NDArray[np.integer]) -> NDArray[np.int32]:
    wrong = (labels < 0) | (labels >= NUM_CLASSES)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ReadError(f"{path}: expected labels 0 to 9, found {labels[row]} at position {row}")
    return labels.astype(np.int32)
