import gzip
import struct

import numpy as np
import pytest

from charz.datasets.idx import read_idx, read_pair, read_sets
from charz.errors import ReadError

THREE_IMAGES = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256


def test_plain_and_gzip_give_the_same_values(write_idx):
    plain = write_idx("images", THREE_IMAGES)
    packed = plain.with_name("images.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(read_idx(plain, 3), THREE_IMAGES)
    np.testing.assert_array_equal(read_idx(packed, 3), THREE_IMAGES)


def test_compression_is_recognised_by_content(write_idx):
    # Some browsers unpack a .gz silently and keep its name.
    misnamed = write_idx("images.gz", THREE_IMAGES)
    np.testing.assert_array_equal(read_idx(misnamed, 3), THREE_IMAGES)


def test_pair(write_idx):
    images, labels = read_pair(write_idx("images", THREE_IMAGES), write_idx("labels", [7, 0, 9]))
    assert images.shape == (3, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int32
    assert labels.tolist() == [7, 0, 9]


def test_sets_mix_plain_and_packed(tiny_root):
    sets = read_sets("mnist", tiny_root)
    assert sets.train_images.shape == (5, 28, 28)
    assert sets.test_images.shape == (3, 28, 28)
    assert sets.train_images[:, 0, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"broken: expected the IDX magic number 0x00000803 .*found an empty file"),
        (b"\x00\x00\x08\x01" + bytes(20), r"expected .*0x00000803.*found 0x00000801"),
        (b"PK\x03\x04" + bytes(20), r"found 0x504b0304"),
        (b"\x00\x00\x08\x03\x00\x00", r"expected 3 sizes of 4 bytes in the header, found 2 bytes"),
        (
            struct.pack(">4I", 0x803, 2, 2, 2) + bytes(7),
            r"expected 8 bytes after the header \(2 × 2 × 2\), found 7",
        ),
        (struct.pack(">4I", 0x803, 2, 2, 2) + bytes(9), r"expected 8 bytes .*found more"),
        (
            struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1),
            r"\(4294967295 × 4294967295 × 4294967295\), found 0",
        ),
        (gzip.compress(struct.pack(">4I", 0x803, 1, 2, 2) + bytes(4))[:-12], r"damaged gzip compression"),
        (gzip.compress(bytes(100))[:10] + b"\xff" * 30, r"damaged gzip compression"),
        (b"\x1f\x8bno gzip at all", r"damaged gzip compression"),
    ],
    ids=[
        "empty",
        "labels as images",
        "zip archive",
        "short header",
        "truncated",
        "too long",
        "absurd sizes",
        "truncated gzip",
        "corrupt gzip",
        "gzip magic only",
    ],
)
def test_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        read_idx(path, 3)


def test_sizes_that_overstate_memory_cost_nothing(tmp_path):
    # 4e9 images of 28 × 28 are announced, none is there: refused by what is found, without allocating.
    path = tmp_path / "liar"
    path.write_bytes(struct.pack(">4I", 0x803, 2**32 - 1, 28, 28))
    with pytest.raises(ReadError, match="found 0"):
        read_idx(path, 3)


def test_wrong_pixels(write_idx):
    images = write_idx("images", np.zeros((3, 32, 28)))
    with pytest.raises(ReadError, match=r"images: expected images of 28 × 28 pixels, found 32 × 28"):
        read_pair(images, write_idx("labels", [1, 2, 3]))


def test_counts_that_differ(write_idx):
    images = write_idx("images", THREE_IMAGES)
    with pytest.raises(ReadError, match=r"labels: expected 3 labels, one for each image of images, found 2"):
        read_pair(images, write_idx("labels", [1, 2]))


def test_no_images(write_idx):
    images = write_idx("images", np.zeros((0, 28, 28)))
    with pytest.raises(ReadError, match=r"expected at least one image, found 0"):
        read_pair(images, write_idx("labels", np.zeros(0)))


def test_label_out_of_range(write_idx):
    images = write_idx("images", THREE_IMAGES)
    with pytest.raises(ReadError, match=r"expected labels 0 to 9, found 10 at position 1"):
        read_pair(images, write_idx("labels", [3, 10, 3]))
