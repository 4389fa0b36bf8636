"""Small real problems that the learning tests share."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from charz.datasets import load_images
from charz.devices import DomainWallSynapses, LogisticSwitching, mean_wire
from charz.learning import Batch, TrainingData


def problem_of(name, **options):
    """Training and validation data, and test data."""
    images = load_images(name, **options)

    def batch(x, y):
        return Batch(jnp.asarray(x), jnp.asarray(y))

    data = TrainingData(
        batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
    )
    return data, batch(images.test_x, images.test_y)


@pytest.fixture(scope="session")
def load_digits():
    """Function from options of `load_images` to training and validation data, and test data."""
    return partial(problem_of, "digits", seed=0)


@pytest.fixture(scope="session")
def load_set(data_root):
    """Function from the name of an image set on disk, and options; a sixth of the training images validates."""

    def load(name, **options):
        if not (data_root / name).is_dir():
            pytest.skip(f"{name} not found under {data_root}; set CHARZ_DATA")
        return problem_of(name, seed=0, root=data_root, validation_fraction=1 / 6, **options)

    return load


@pytest.fixture(scope="session")
def digits(load_digits):
    """Digits, binarised: training and validation data, and test data."""
    return load_digits()


@pytest.fixture(scope="session")
def wires():
    """Function from a number of runs to published mean wires with a leading run axis."""

    def hardware(num_runs):
        wire = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_runs), mean_wire())
        return DomainWallSynapses(actual=wire, believed=wire)

    return hardware


@pytest.fixture(scope="session")
def population():
    """Sampler of devices with uncertain mean and known spread, in the form of `Posterior.new_devices`."""

    def sampler(location_sd=0.3, mean_sd=0.1):
        def sample(key, num_draws, shape):
            key_mean, key_device = jax.random.split(key)
            wire = mean_wire()
            rank = (1,) * len(shape)
            centre = wire.location + mean_sd * jax.random.normal(key_mean, (num_draws, *rank))
            location = centre + location_sd * jax.random.normal(key_device, (num_draws, *shape))

            def fill(leaf):
                return jnp.broadcast_to(leaf, location.shape)

            return LogisticSwitching(location, fill(wire.width), fill(wire.floor), fill(wire.ceiling))

        return sample

    return sampler
