"""IDX files, the format of MNIST and Fashion-MNIST: a big-endian header, then bytes.

``00 00 08 D`` (type 08 = unsigned byte, D axes), then D sizes of four bytes each, then the values, last axis
fastest. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from charz.datasets.locate import find_files
from charz.errors import ReadError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
IMAGE_SHAPE = (28, 28)
NUM_CLASSES = 10
FULL_SCALE = 255
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_BLOCK = 1 << 24


class LabelledSets(NamedTuple):
    """Images with labels, as the source divides them."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int32]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int32]


def read_idx(path: Path, num_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped (recognised by content, not by name).

    Parameters
    ----------
    path : Path
        File to read.
    num_axes : int
        Axes it must have: 3 for images, 1 for labels.

    Returns
    -------
    array of uint8
        With the shape that the header states.

    Raises
    ------
    ReadError
        When the magic number, the sizes or the number of bytes are wrong, or the compression is damaged.
    """
    try:
        with _open(path) as stream:
            shape = _read_header(stream, path, num_axes)
            expected = prod(shape)
            # One byte more than stated shows a file that is too long without reading all of it.
            content = _read_at_most(stream, expected + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReadError(f"{path}: damaged gzip compression ({error}); copy the file again") from error
    if len(content) != expected:
        found = "more" if len(content) > expected else str(len(content))
        sizes = " × ".join(map(str, shape))
        raise ReadError(f"{path}: expected {expected} bytes after the header ({sizes}), found {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Read images and their labels, and check that they belong together.

    Returns
    -------
    images : array of uint8, shape (n, 28, 28)
        0 is paper, 255 is ink.
    labels : array of int32, shape (n,)
        Classes 0 to 9.

    Raises
    ------
    ReadError
        When sizes, counts or labels are not those of MNIST-like sets.
    """
    images = read_idx(images_path, 3)
    labels = read_idx(labels_path, 1)
    if images.shape[1:] != IMAGE_SHAPE:
        height, width = images.shape[1:]
        raise ReadError(f"{images_path}: expected images of 28 × 28 pixels, found {height} × {width}")
    if len(images) != len(labels):
        raise ReadError(
            f"{labels_path}: expected {len(images)} labels, one for each image of {images_path.name}, "
            f"found {len(labels)}"
        )
    if len(images) == 0:
        raise ReadError(f"{images_path}: expected at least one image, found 0")
    if labels.max() >= NUM_CLASSES:
        row = int(np.argmax(labels >= NUM_CLASSES))
        raise ReadError(f"{labels_path}: expected labels 0 to 9, found {labels[row]} at position {row}")
    return images, labels.astype(np.int32)


def read_sets(folder: str, root: Path | str | None = None) -> LabelledSets:
    """Read the official training and test sets of an MNIST-like source.

    Parameters
    ----------
    folder : str
        ``mnist`` or ``fashion-mnist``.
    root : path, optional
        Folder that holds `folder`; see `charz.datasets.locate.data_roots`.

    Raises
    ------
    ReadError
        When a file is missing or wrong.
    """
    train_images, train_labels, test_images, test_labels = find_files(folder, FILES, root)
    return LabelledSets(*read_pair(train_images, train_labels), *read_pair(test_images, test_labels))


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


def _read_at_most(stream: IO[bytes], limit: int) -> bytes:
    """Read up to `limit` bytes in blocks: a header that announces terabytes must not allocate them."""
    blocks = []
    while limit > 0 and (block := stream.read(min(limit, _BLOCK))):
        blocks.append(block)
        limit -= len(block)
    return b"".join(blocks)


def _read_header(stream: IO[bytes], path: Path, num_axes: int) -> tuple[int, ...]:
    magic = stream.read(4)
    expected = bytes((0, 0, _UNSIGNED_BYTE, num_axes))
    if magic != expected:
        raise ReadError(
            f"{path}: expected the IDX magic number 0x{expected.hex()} ({num_axes} axes of unsigned bytes), "
            f"found {'0x' + magic.hex() if magic else 'an empty file'}"
        )
    sizes = stream.read(4 * num_axes)
    if len(sizes) != 4 * num_axes:
        raise ReadError(
            f"{path}: expected {num_axes} sizes of 4 bytes in the header, found {len(sizes)} bytes"
        )
    return tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))
