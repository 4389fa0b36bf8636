import numpy as np
import pytest

from charz.datasets import available_images, load_images
from charz.datasets.preprocess import binary, gray, max_pool, pooled_binary
from charz.datasets.split import random_split, stratified_split
from charz.errors import CharzError, ReadError

# Published label counts of the training and test sets.
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_gray_is_a_fraction_of_full_scale():
    rows = gray(np.array([[[0, 4], [8, 16]]], dtype=np.uint8), 16)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[0, 0.25, 0.5, 1]])


def test_threshold_is_above_half():
    rows = binary(np.array([[[0, 8], [9, 16]]], dtype=np.uint8), 16)
    np.testing.assert_array_equal(rows, [[0, 0, 1, 1]])
    # 127/255 is below and 128/255 above one half
    np.testing.assert_array_equal(binary(np.array([[[127, 128]]], dtype=np.uint8), 255), [[0, 1]])


def test_max_pool_against_a_loop():
    images = np.random.default_rng(3).integers(0, 256, (2, 28, 28)).astype(np.uint8)
    pooled = max_pool(images)
    assert pooled.shape == (2, 14, 14)
    for row in range(14):
        for column in range(14):
            block = images[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(pooled[:, row, column], block.reshape(2, 4).max(axis=1))


def test_one_bright_pixel_fills_its_block():
    image = np.zeros((1, 28, 28), dtype=np.uint8)
    image[0, 27, 26] = 200
    rows = pooled_binary(image, 255)
    assert rows.shape == (1, 196)
    assert np.flatnonzero(rows[0]).tolist() == [195]


def test_random_split_is_a_partition():
    train, validation = random_split(10, 0.2, seed=4)
    assert len(validation) == 2
    assert sorted([*train, *validation]) == list(range(10))
    again = random_split(10, 0.2, seed=4)
    np.testing.assert_array_equal(train, again[0])
    assert not np.array_equal(train, random_split(10, 0.2, seed=5)[0])


def test_stratified_split_keeps_shares():
    labels = np.repeat(np.arange(4), [40, 20, 20, 20]).astype(np.int32)
    train, validation = stratified_split(labels, 0.25, seed=0)
    assert np.bincount(labels[train]).tolist() == [30, 15, 15, 15]
    assert np.bincount(labels[validation]).tolist() == [10, 5, 5, 5]


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_fraction_out_of_range(name, fraction, tiny_root):
    with pytest.raises(CharzError, match=r"validation_fraction is .* between 0 and 1"):
        load_images(name, validation_fraction=fraction, root=tiny_root)


@pytest.mark.parametrize(("fraction", "set_aside"), [(0.01, 0), (0.99, 5)])
def test_random_split_without_images(fraction, set_aside, tiny_root):
    with pytest.raises(CharzError, match=rf"leaves {5 - set_aside} to train on and {set_aside} to validate"):
        load_images("mnist", validation_fraction=fraction, root=tiny_root)


def test_stratified_split_without_every_class():
    with pytest.raises(CharzError, match=r"0\.001 of 1437 images cannot hold every class"):
        load_images("digits", validation_fraction=0.001)


def test_digits():
    images = load_images("digits")
    assert images.name == "digits"
    assert "preprocessing binary," in images.source
    parts = [(images.train_x, images.train_y), (images.validation_x, images.validation_y)]
    parts.append((images.test_x, images.test_y))
    assert [x.shape for x, _ in parts] == [(1149, 64), (288, 64), (360, 64)]
    for x, y in parts:
        assert x.dtype == np.float32
        assert y.dtype == np.int32
        assert len(x) == len(y)
        assert set(np.unique(x)) == {0.0, 1.0}
        # stratified: each class has a tenth of each part, within one point
        np.testing.assert_allclose(np.bincount(y) / len(y), 0.1, atol=0.01)


def test_digits_parts_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    images = load_images("digits", preprocess="gray", seed=3)
    mine = np.concatenate([images.train_x, images.validation_x, images.test_x])
    theirs = (load_digits().data / 16).astype(np.float32)
    np.testing.assert_array_equal(
        mine[np.lexsort(mine.T)], theirs[np.lexsort(theirs.T)], err_msg="no image may be lost or doubled"
    )


def test_seed_decides_the_split():
    first, again, other = (load_images("digits", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.test_y, other.test_y)


@pytest.mark.parametrize(
    ("preprocess", "features"), [("default", 196), ("binary-14x14", 196), ("binary", 784), ("gray", 784)]
)
def test_tiny_mnist(tiny_root, preprocess, features):
    images = load_images("mnist", root=tiny_root, preprocess=preprocess)
    assert images.train_x.shape == (4, features)
    assert images.validation_x.shape == (1, features)
    assert images.test_x.shape == (3, features)
    assert images.test_y.tolist() == [0, 1, 2]
    assert images.train_x.min() >= 0
    assert images.train_x.max() <= 1


def test_labels_stay_with_their_images(tiny_root):
    # the first pixel of each tiny training image is its label
    images = load_images("mnist", root=tiny_root, preprocess="gray")
    np.testing.assert_array_equal(np.rint(images.train_x[:, 0] * 255), images.train_y)
    np.testing.assert_array_equal(np.rint(images.validation_x[:, 0] * 255), images.validation_y)


def test_environment_names_the_folder(tiny_root, monkeypatch):
    monkeypatch.setenv("CHARZ_DATA", str(tiny_root))
    assert load_images("mnist").test_x.shape == (3, 196)
    with pytest.raises(ReadError, match="fashion-mnist needs the files"):
        load_images("fashion-mnist", root=tiny_root)


def test_unknown_names():
    assert available_images() == ("digits", "mnist", "fashion-mnist", "cifar-10", "svhn")
    with pytest.raises(CharzError, match=r"image set 'MNIST' is not known; choose one of digits, mnist"):
        load_images("MNIST")
    with pytest.raises(
        CharzError,
        match=r"'binary-14x14' is not known for digits; choose one of binary, gray, signed, standardised",
    ):
        load_images("digits", preprocess="binary-14x14")


def test_real_mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip(f"MNIST not found under {data_root}; set CHARZ_DATA")
    images = load_images("mnist", root=data_root)
    assert images.train_x.shape == (48_000, 196)
    labels = np.concatenate([images.train_y, images.validation_y])
    assert np.bincount(labels).tolist() == MNIST_TRAIN
    assert np.bincount(images.test_y).tolist() == MNIST_TEST
    # Ellis et al. 2023 pitfall 4: 39 ± 11 of the 196 inputs are active
    active = images.train_x.sum(axis=1)
    assert abs(active.mean() - 39) < 1
    assert abs(active.std() - 11) < 1


def test_real_fashion_mnist(data_root):
    if not (data_root / "fashion-mnist").is_dir():
        pytest.skip(f"Fashion-MNIST not found under {data_root}; set CHARZ_DATA")
    images = load_images("fashion-mnist", root=data_root)
    labels = np.concatenate([images.train_y, images.validation_y])
    assert np.bincount(labels).tolist() == [6000] * 10
    assert np.bincount(images.test_y).tolist() == [1000] * 10
