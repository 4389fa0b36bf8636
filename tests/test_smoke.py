"""A first look that takes seconds: does what was installed import, simulate and read?"""

import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import charz
from charz.datasets import load_images, simulate_wires, wires_dataset, write_lab_csv
from charz.devices import mean_wire

# An editable install finds the four folders one by one, so they are walked one by one.
PACKAGES = ("charz", "charz.fitting", "charz.learning", "charz.datasets")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_imports(package):
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.mark.parametrize("name", charz.__all__)
def test_public_names_exist(name):
    assert getattr(charz, name) is not None


def test_law_and_its_inverse():
    law = mean_wire()
    probability = law.probability(jnp.asarray([3.0, 4.63168, 6.0]))
    # Ellis et al. 2023, section 2: p(w0) = 1 - a/2
    assert float(probability[1]) == pytest.approx(0.5109, abs=1e-4)
    np.testing.assert_allclose(law.drive_for(probability), [3.0, 4.63168, 6.0], rtol=1e-4)


def test_measurement_reaches_the_dataset_through_a_file(tmp_path):
    wires = simulate_wires(jax.random.key(0), num_wires=2, num_settings=3, num_trials=10)
    path = write_lab_csv(tmp_path / "wires.csv", wires)
    columns = {"device": "wire", "amplitude": "control_w", "num_switched": "num_passed"}
    dataset = charz.read(path, "pulse_switching", columns, {"amplitude": "arb"})
    charz.save(dataset, tmp_path / "wires.nc")
    loaded = charz.validate(charz.load(tmp_path / "wires.nc"))
    np.testing.assert_array_equal(loaded["num_switched"], wires_dataset(wires)["num_switched"])


def test_digits_load():
    assert load_images("digits").train_x.shape == (1149, 64)
