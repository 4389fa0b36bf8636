"""Tiny image sets in the real format: a folder of four IDX files with a handful of images."""

import gzip
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import numpy as np
import pytest

NUM_TRAIN = 5
NUM_TEST = 3


def idx_bytes(values: np.ndarray) -> bytes:
    """An IDX file written independently of the reader: header by `struct`, then the bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


@pytest.fixture(autouse=True)
def strict_ranks() -> Iterator[None]:
    """Arrays of different rank never broadcast silently in the simulation."""
    with jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[[str, np.ndarray | Sequence[int]], Path]:
    """Write an IDX file of any values under `tmp_path` and return its path."""

    def write(name: str, values: np.ndarray | Sequence[int]) -> Path:
        path = tmp_path / name
        path.write_bytes(idx_bytes(np.asarray(values)))
        return path

    return write


@pytest.fixture
def tiny_root(tmp_path: Path) -> Path:
    """Root with ``mnist/`` of five and three images; the training images are gzipped, the others plain."""
    root = tmp_path / "root"
    folder = root / "mnist"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for prefix, count in (("train", NUM_TRAIN), ("t10k", NUM_TEST)):
        images = random.integers(0, 256, (count, 28, 28))
        images[:, 0, 0] = np.arange(count)  # tells which image is which
        content = idx_bytes(images)
        if prefix == "train":
            (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / "t10k-images-idx3-ubyte").write_bytes(content)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(count)))
    return root
