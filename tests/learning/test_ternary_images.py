"""Image sets by ternary convolutional networks on pairs of junctions (Greenberg et al. 2021; Deng et al. 2017).

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_ternary_images.py -k mnist    (or -k cifar)

Each network is added to its table as it is done; with ``CHARZ_WRITE_RESULTS=continue`` those that the table has already
are not trained again. The full-size network of CIFAR-10 (128C3 to 512C3) takes hours an
epoch here: a smaller one is trained beside its own baselines, and of the full-size one that it takes a step is tested.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.junction_pair import example_junction
from charz.learning import (
    Backprop,
    Batch,
    Gxnor,
    GxnorMtj,
    Scheme,
    TrainingData,
    TrainOptions,
    evaluate,
    train,
)
from charz.learning.architecture import Architecture, parse_architecture

RESULTS = Path(__file__).parents[1] / "results"
NUM_SEEDS = 3
RATES = {"learning_rate": 0.1, "final_rate": 0.01}
SHAPE = (32, 32, 3)
FULL = parse_architecture("128C3P1-128C3P1-MP2-256C3P1-256C3P1-MP2-512C3P1-512C3P1-MP2-1024-10", SHAPE)
MNIST = parse_architecture("32C5-MP2-64C5-MP2-512-10", (28, 28, 1))
CIFAR = parse_architecture("32C3P1-MP2-64C3-MP2-256-10", SHAPE)


@dataclass(frozen=True)
class Task:
    """Networks to train on an image set."""

    name: str
    network: Architecture
    options: TrainOptions
    schemes: dict[str, Scheme]
    paper: str

    @property
    def table(self) -> Path:
        return RESULTS / f"{self.name}-ternary.md"

    def heading(self) -> str:
        return f"""# {self.name}, ternary {self.network}

Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_ternary_images.py -k {self.name.split("-")[0]}`.
Five sixths of the training images, without augmentation, best validation loss on the rest, official test images;
pixels in [-1, 1]; ternary weights and neurons, r = 1, a = ½, squared hinge, Adam 0.1 with a rate that falls
exponentially to a hundredth, m = 3, batch {self.options.batch_size}, {self.options.epochs} epochs. Junctions are
example junctions, all alike, inverse code, both pulsed where nothing else is said. {self.paper}

| network | seed | validation % | test % | best epoch | minutes |
|---|---|---|---|---|---|
"""


TASKS = {
    "mnist": Task(
        "mnist",
        MNIST,
        TrainOptions(epochs=25, batch_size=500, patience=25),
        {
            "ideal transitions": Gxnor(MNIST, **RATES),
            "two junctions": GxnorMtj(MNIST, **RATES),
            "two junctions, unswitched one pulsed": GxnorMtj(MNIST, addressing="unswitched", **RATES),
        },
        "The paper: 98.61 % (its set-up is not known).",
    ),
    "cifar-10": Task(
        "cifar-10",
        CIFAR,
        TrainOptions(epochs=12, batch_size=250, patience=12),
        {
            "full precision": Backprop(CIFAR, learning_rate=2e-3, final_rate=0.01),
            "ideal transitions": Gxnor(CIFAR, **RATES),
            "two junctions": GxnorMtj(CIFAR, **RATES),
            "two junctions, unswitched one pulsed": GxnorMtj(CIFAR, addressing="unswitched", **RATES),
        },
        "Full precision: Adam 0.002. The paper reaches 82.71 % with a network whose size is not known.",
    ),
}


def hardware(scheme):
    if scheme.devices is None:
        return None
    junction = jax.tree.map(lambda leaf: leaf[None], example_junction())
    return scheme.hardware(junction, junction)


def measure(task, name, seed, data, test):
    """Train one network, unless the table has it and is to be continued; test accuracy in %."""
    start = f"| {name} | {seed} |"
    done = [line for line in rows_of(task) if line.startswith(start)]
    if done and os.environ.get("CHARZ_WRITE_RESULTS") == "continue":
        return float(done[0].split("|")[4])
    scheme, keys, began = task.schemes[name], jax.random.key(seed)[None], time.perf_counter()
    devices = hardware(scheme)
    trained = train(keys, scheme, devices, data, task.options)
    accuracy = 100 * float(evaluate(keys, scheme, devices, trained.state, test, 1)[0, 0])
    best = int(trained.best_epoch[0])
    validation = 100 * float(trained.validation_accuracy[0, best - 1])
    minutes = (time.perf_counter() - began) / 60
    row = f"{start} {validation:.2f} | {accuracy:.2f} | {best} | {minutes:.1f} |"
    print(row, flush=True)  # noqa: T201
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        write(task, start, row)
    return accuracy


def rows_of(task):
    text = task.table.read_text(encoding="utf-8") if task.table.is_file() else task.heading()
    return text.splitlines()


def write(task, start, row):
    lines = [line for line in rows_of(task) if not line.startswith(start)]
    task.table.write_text("\n".join([*lines, row]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def accuracies(load_set):
    """Function from the name of a task to test accuracies in %, of every scheme (seed,); trained once."""
    found = {}

    def run(name):
        if name not in found:
            task, problem = TASKS[name], load_set(name, preprocess="signed")
            # Seed by seed, so that a run that is stopped has compared something.
            seeds = [
                {scheme: measure(task, scheme, seed, *problem) for scheme in task.schemes}
                for seed in range(NUM_SEEDS)
            ]
            found[name] = {scheme: np.array([one[scheme] for one in seeds]) for scheme in task.schemes}
        return found[name]

    return run


@pytest.mark.slow
def test_mnist_by_ideal_transitions_reaches_the_paper(accuracies):
    """99.0 %, where an untuned run of other code came, less two standard errors of the test set; each: the paper."""
    ideal = accuracies("mnist")["ideal transitions"]
    assert ideal.mean() >= 98.8
    assert ideal.min() >= 98.61


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two junctions", "two junctions, unswitched one pulsed"])
def test_mnist_by_junctions_reaches_the_paper_and_the_ideal(name, accuracies):
    found = accuracies("mnist")
    assert found[name].mean() >= 98.61
    assert found["ideal transitions"].mean() - found[name].mean() < 0.5


@pytest.mark.slow
def test_cifar_by_junctions_comes_within_a_point_of_the_ideal(accuracies):
    """With the unswitched junction pulsed; pulsing both doubles the jumps from the ends, 2p(1-p), and costs 1.7 points.

    Neither a rate of 0.03 nor a gain of 1.5 in place of 3 made up for it on one seed (0.1 and 0.1 points).
    """
    found = accuracies("cifar-10")
    assert found["two junctions, unswitched one pulsed"].mean() > found["ideal transitions"].mean() - 1
    assert found["two junctions"].mean() > found["ideal transitions"].mean() - 2.5
    # A tenth of the classes is chance; a ternary network that has learnt is far from it.
    assert found["ideal transitions"].mean() > 50


@pytest.mark.slow
def test_the_full_size_recipe_takes_a_step():
    """The published network and learning rate, one batch of random images: the loss is finite, junctions are pulsed."""
    images = jax.random.uniform(jax.random.key(0), (20, *SHAPE), minval=-1.0, maxval=1.0)
    batch = Batch(images.reshape(20, -1), jnp.arange(20) % 10)
    scheme = GxnorMtj(FULL, learning_rate=0.01)
    data, devices = TrainingData(batch, batch), hardware(scheme)
    keys, options = jax.random.key(1)[None], TrainOptions(epochs=1, batch_size=20, patience=1)
    trained = train(keys, scheme, devices, data, options)
    assert np.isfinite(trained.validation_loss).all()
    assert float(trained.counts["pulses"][0]) > 0
    assert 0 <= float(evaluate(keys, scheme, devices, trained.state, batch, 1)[0, 0]) <= 1
