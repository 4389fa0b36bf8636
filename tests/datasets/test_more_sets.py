"""CIFAR-10, SVHN, iris and the exclusive or: standard formats, and damaged files that are refused."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from charz.datasets import available_data, load_data
from charz.datasets.cifar10 import TEST_BATCH, TRAIN_BATCHES
from charz.errors import CharzError, ReadError


def records(count, seed=0):
    """Labels and planes of a binary batch, with the label in the first red value."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    planes = random.integers(0, 256, (count, 3, 32, 32))
    planes[:, 0, 0, 0] = labels
    return labels, planes


def write_batches(folder, count=3):
    folder.mkdir(parents=True)
    for index, name in enumerate((*TRAIN_BATCHES, TEST_BATCH)):
        labels, planes = records(count, index)
        rows = np.concatenate([labels[:, None], planes.reshape(count, -1)], axis=1)
        (folder / name).write_bytes(rows.astype(np.uint8).tobytes())


def write_container(path, count=4, side=32, **changes):
    """Images of one colour each, which JPEG keeps to a grey level or two."""
    pieces = []
    for index in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (side, side), (20 * index, 40, 60)).save(stream, "jpeg", quality=95)
        pieces.append(stream.getvalue())
    members = {
        "jpeg": np.frombuffer(b"".join(pieces), np.uint8),
        "offsets": np.cumsum([0, *map(len, pieces)]),
        "labels": np.arange(count, dtype=np.uint8),
    }
    np.savez(path, **{name: v for name, v in (members | changes).items() if v is not None})


def test_cifar10_binary_batches(tmp_path):
    write_batches(tmp_path / "cifar-10")
    images = load_data("cifar-10", root=tmp_path, preprocess="gray")
    assert images.train_x.shape == (12, 3072)
    assert images.test_x.shape == (3, 3072)
    np.testing.assert_array_equal(np.rint(images.test_x[:, 0] * 255), images.test_y)
    _, planes = records(3, 5)
    np.testing.assert_allclose(
        images.test_x.reshape(3, 32, 32, 3)[1, 4, 7], planes[1, :, 4, 7] / 255, rtol=1e-6
    )


def test_cifar10_is_standardised_by_colour(tmp_path):
    write_batches(tmp_path / "cifar-10")
    raw, scaled = (load_data("cifar-10", root=tmp_path, preprocess=how) for how in ("gray", "default"))
    pixel = raw.test_x.reshape(3, -1, 3)[0, 9]
    expected = (pixel - [0.4914, 0.4822, 0.4465]) / [0.2023, 0.1994, 0.2010]
    np.testing.assert_allclose(scaled.test_x.reshape(3, -1, 3)[0, 9], expected, rtol=1e-5)


def test_cifar10_containers(tmp_path):
    folder = tmp_path / "cifar-10"
    folder.mkdir()
    write_container(folder / "train.npz", 5)
    write_container(folder / "test.npz", 4)
    images = load_data("cifar-10", root=tmp_path, preprocess="gray")
    assert images.train_x.shape == (4, 3072)
    colours = 255 * images.test_x.reshape(4, -1, 3).mean(1)
    np.testing.assert_allclose(colours, [[20 * i, 40, 60] for i in range(4)], atol=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": None}, "jpeg, offsets, labels"),
        ({"offsets": np.array([0, 5])}, "do not cut"),
        ({"side": 16}, "image 0 is not a JPEG of 32"),
        (
            {"jpeg": np.zeros(100, np.uint8), "offsets": np.array([0, 25, 50, 75, 100])},
            "image 0 is not a JPEG",
        ),
        ({"labels": np.array([0, 1, 2, 12], np.uint8)}, "found 12 at position 3"),
    ],
)
def test_damaged_containers_are_refused(options, words, tmp_path):
    folder = tmp_path / "cifar-10"
    folder.mkdir()
    write_container(folder / "train.npz", **options)
    write_container(folder / "test.npz")
    with pytest.raises(ReadError, match=words) as error:
        load_data("cifar-10", root=tmp_path)
    assert "train.npz" in str(error.value)


def test_a_cut_batch_is_refused(tmp_path):
    write_batches(tmp_path / "cifar-10")
    path = tmp_path / "cifar-10" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReadError, match=r"data_batch_2.bin: 9218 bytes are not a whole number"):
        load_data("cifar-10", root=tmp_path)


def test_missing_cifar10_names_the_standard_files(tmp_path):
    with pytest.raises(ReadError, match=r"data_batch_1.bin.*nothing is downloaded"):
        load_data("cifar-10", root=tmp_path)


def svhn_file(path, count=5, **changes):
    labels = np.arange(1, count + 1)[:, None]
    labels[-1] = 10
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, count)).astype(np.uint8)
    content = {"X": pixels, "y": labels.astype(np.uint8)} | changes
    savemat(path, {name: value for name, value in content.items() if value is not None})
    return pixels


def test_svhn(tmp_path):
    folder = tmp_path / "svhn"
    folder.mkdir()
    svhn_file(folder / "train_32x32.mat")
    pixels = svhn_file(folder / "test_32x32.mat", 4)
    images = load_data("svhn", root=tmp_path, preprocess="gray")
    assert images.test_y.tolist() == [1, 2, 3, 0]
    np.testing.assert_allclose(
        images.test_x.reshape(4, 32, 32, 3)[2, 3, 4], pixels[3, 4, :, 2] / 255, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"X": None}, "expected X of unsigned bytes.*found none"),
        ({"X": np.zeros((5, 32, 32, 3), np.uint8)}, r"image index last.*\(5, 32, 32, 3\)"),
        ({"y": None}, "expected 5 labels y.*found none"),
        ({"y": np.array([[0], [1], [2], [3], [4]], np.uint8)}, "found 0 at 0"),
    ],
)
def test_wrong_svhn_is_refused(changes, words, tmp_path):
    folder = tmp_path / "svhn"
    folder.mkdir()
    svhn_file(folder / "train_32x32.mat", **changes)
    svhn_file(folder / "test_32x32.mat")
    with pytest.raises(ReadError, match=words):
        load_data("svhn", root=tmp_path)


def test_svhn_that_is_no_matlab_file_is_refused(tmp_path):
    folder = tmp_path / "svhn"
    folder.mkdir()
    for name in ("train_32x32.mat", "test_32x32.mat"):
        (folder / name).write_bytes(b"not a matlab file at all" * 20)
    with pytest.raises(ReadError, match=r"train_32x32.mat: expected a MATLAB 5 file"):
        load_data("svhn", root=tmp_path)


def test_iris():
    iris = load_data("iris", seed=1)
    assert [len(part) for part in (iris.train_y, iris.validation_y, iris.test_y)] == [96, 24, 30]
    np.testing.assert_allclose(iris.train_x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(iris.train_x.std(0), 1, atol=1e-6)
    assert np.bincount(iris.test_y).tolist() == [10, 10, 10]


def test_xor():
    xor = load_data("xor")
    assert xor.test_y.tolist() == (xor.test_x.sum(1) == 1).astype(int).tolist()
    assert len(xor.train_y) >= 64


def test_unknown_data():
    assert {"digits", "cifar-10", "iris", "xor", "svhn"} <= set(available_data())
    with pytest.raises(CharzError, match=r"data 'letters' are not known; choose one of digits"):
        load_data("letters")


def test_real_cifar10(data_root):
    """Channel means of the training set; single pixels of a JPEG copy differ slightly from the original."""
    if not (data_root / "cifar-10").is_dir():
        pytest.skip(f"CIFAR-10 not found under {data_root}; set CHARZ_DATA")
    images = load_data("cifar-10", root=data_root, preprocess="gray")
    assert images.train_x.shape == (40_000, 3072)
    mean = images.train_x.reshape(40_000, -1, 3).mean((0, 1), dtype=np.float64)
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=2e-3)
    assert np.bincount(images.test_y).tolist() == [1000] * 10
