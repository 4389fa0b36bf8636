"""Full MNIST by DANP on simulated junctions, beside activity perturbation and backpropagation (Koenders et al. 2025).

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_danp_mnist.py

Rates were chosen on the validation data, over 4 epochs with a final rate of a tenth, one seed: of 5e-4, 1e-3 and 2e-3,
with decorrelation at 1e-5, 1e-4 or 1e-3. Each row is added to the table as it is done.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.datasets import load_images
from charz.devices import published_junction
from charz.learning import (
    ActivityPerturbation,
    Backprop,
    Batch,
    Danp,
    Inference,
    TrainingData,
    TrainOptions,
    evaluate,
    train,
)

TABLE = Path(__file__).parents[1] / "results" / "danp-mnist.md"
SIZES = (784, 500, 500, 500, 10)
NUM_SEEDS = 3
OPTIONS = TrainOptions(epochs=30, batch_size=64, patience=30)
SCHEMES = {
    "DANP": Danp(SIZES, learning_rate=2e-3, final_rate=0.03, decorrelation_rate=1e-5),
    "activity perturbation": ActivityPerturbation(SIZES, learning_rate=1e-3, final_rate=0.03),
    "backprop": Backprop(SIZES, learning_rate=1e-3, final_rate=0.03),
}
HEADING = """# MNIST, 784-500-500-500-10, a published junction at every node

Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_danp_mnist.py`.
50,000 training images, best validation loss on 10,000, official test images; standardised pixels; batch 64, 30 epochs,
Adam with a rate that falls exponentially to 3 %. ± is the standard deviation over seeds. The software network has
rectifiers, no noise and no decorrelation.

| scheme | rate | decorrelation | seeds | test, under noise | test, without noise | s an epoch |
|---|---|---|---|---|---|---|
"""


class Row(NamedTuple):
    noisy: np.ndarray
    quiet: np.ndarray
    seconds: float


@pytest.fixture(scope="module")
def mnist(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip(f"MNIST not found under {data_root}; set CHARZ_DATA")
    images = load_images(
        "mnist", seed=0, root=data_root, preprocess="standardised", validation_fraction=1 / 6
    )

    def batch(x, y):
        return Batch(jnp.asarray(x), jnp.asarray(y))

    data = TrainingData(
        batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
    )
    return data, batch(images.test_x, images.test_y)


def measure(name, data, test):
    """Test accuracy of every seed; one network at a time, so that the time is that of one."""
    scheme = SCHEMES[name]
    noise = None
    if scheme.devices == "noise":
        noise = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, 1), published_junction())
    noisy, quiet, began = [], [], time.perf_counter()
    for seed in range(NUM_SEEDS):
        trained = train(jax.random.key(seed)[None], scheme, noise, data, OPTIONS)
        keys = jax.random.key(100 + seed)[None]
        noisy.append(float(evaluate(keys, scheme, noise, trained.state, test, 4).mean()))
        once = evaluate(keys, scheme, noise, trained.state, test, 1, Inference("deterministic"))
        quiet.append(float(once.mean()))
        print(name, seed, noisy[-1], quiet[-1], flush=True)  # noqa: T201
    seconds = (time.perf_counter() - began) / (NUM_SEEDS * OPTIONS.epochs)
    return Row(np.array(noisy), np.array(quiet), seconds)


def write(name, row):
    scheme = SCHEMES[name]
    lines = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.is_file() else HEADING.splitlines()
    lines = [line for line in lines if not line.startswith(f"| {name} |")]
    spread = [f"{v.mean():.4f} ± {v.std(ddof=1):.4f}" for v in (row.noisy, row.quiet)]
    decorrelation = getattr(scheme, "decorrelation_rate", "")
    lines.append(
        f"| {name} | {scheme.learning_rate:g} | {decorrelation} | {NUM_SEEDS} | {spread[0]} | {spread[1]}"
        f" | {row.seconds:.1f} |"
    )
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def rows(mnist):
    found = {}
    for name in SCHEMES:
        found[name] = measure(name, *mnist)
        if os.environ.get("CHARZ_WRITE_RESULTS"):
            write(name, found[name])
    return found


@pytest.mark.slow
def test_danp_reaches_its_floor(rows):
    """An untuned first run reached 96.4 % under noise in 30 epochs, the best third-party figure, too."""
    assert rows["DANP"].noisy.mean() >= 0.964


@pytest.mark.slow
def test_danp_beats_activity_perturbation(rows):
    assert rows["DANP"].noisy.min() > rows["activity perturbation"].noisy.max()


@pytest.mark.slow
def test_danp_is_within_a_point_of_backprop(rows):
    assert rows["DANP"].noisy.mean() > rows["backprop"].noisy.mean() - 0.01
