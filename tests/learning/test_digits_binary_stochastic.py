"""Binary stochastic learning on 8×8 digits beside the reference runs of li2023.md, section 8 (ours too, in other code).

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_digits_binary_stochastic.py

writes the table. The reference runs learnt from all 1437 training images and set none aside; so do these: the best
state is chosen by the loss of single shots on training images, never by the test images. Their accuracies of single
shots and votes are those of binarized inputs, whatever drove the first layer in training (with analog inputs single
shots are 10 to 15 points better than in their table, the rest alike): so networks are asked here.
"""

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.datasets import load_images
from charz.devices.random_words import normal
from charz.learning import (
    Batch,
    BinaryStochastic,
    Inference,
    TrainingData,
    TrainOptions,
    evaluate,
    join,
    train,
)
from charz.learning.estimators import autodiff
from charz.learning.layered_network import LayeredNetwork
from charz.learning.writes import ideal

TABLE = Path(__file__).parents[1] / "results" / "digits-binary-stochastic.md"
NUM_SPLITS, NUM_SEEDS = 3, 2
MODES = {
    "det": (Inference("deterministic"), 1),
    "1-shot": (Inference(), 4),
    "10-vote": (Inference("votes", 10), 2),
    "100-vote": (Inference("votes", 100), 1),
}
TOLERANCE, TOLERANCE_OF_VOTES = 1.5, 2.0


class HighPrecision(BinaryStochastic):
    """Backprop of the same sigmoid network: online descent of the cross-entropy whose output error is p - t."""

    def rule(self, hardware, num_steps=1):
        network = LayeredNetwork(self.architecture, jax.nn.sigmoid, False, 0.0)

        def loss(logits, labels):
            return optax.sigmoid_binary_cross_entropy(logits, jax.nn.one_hot(labels, 10)).sum(-1)

        def start(key):
            return network.start(key, jax.nn.initializers.lecun_normal())

        return join(autodiff(network, loss), optax.sgd(self.learning_rate), ideal(), start)


class Row(NamedTuple):
    """A scheme, its epochs, and percentages of the reference: lowest and highest in each mode of `MODES`."""

    scheme: BinaryStochastic
    epochs: int
    reference: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class NoisySteps(BinaryStochastic):
    """Ideal weights whose every step has normal noise, relative to the step: L1 at constant mean step."""

    cycle_noise: float = 0.0

    def write(self, hardware):
        exact = ideal(-self.weight_limit, self.weight_limit)

        def apply(key, weights, change):
            def noisy(number, leaf):
                return leaf * (1 + self.cycle_noise * normal(jax.random.fold_in(key, number), leaf.shape))

            leaves, structure = jax.tree.flatten(change)
            noised = jax.tree.unflatten(structure, [noisy(*each) for each in enumerate(leaves)])
            return exact.apply(key, weights, noised)

        return exact._replace(apply=apply)


def plain(*hidden, **options):
    return BinaryStochastic((64, *hidden, 10), derivative="plain", carry_digits=1, **options)


def fourfold(*hidden, **options):
    return BinaryStochastic((64, *hidden, 10), **options)


def noisy(cycle_noise):
    return NoisySteps(
        (64, 128, 10), derivative="plain", weight_limit=6.0, final_rate=0.1, cycle_noise=cycle_noise
    )


ANNEALED = {"final_rate": 0.1}
ROWS = {
    "HP, H = 128, rate 0.1": Row(
        HighPrecision((64, 128, 10), learning_rate=0.1), 40, ((97.8, 98.1), (65, 72), (95, 96), (97, 98))
    ),
    "BS, H = 128, binary input, plain, 0.02 annealed, limit 3": Row(
        plain(128, input_signals="binary", weight_limit=3.0, **ANNEALED),
        40, ((94.4, 95.8), (65, 69), (92, 93), (94.4, 94.4)),
    ),
    "same, linear errors": Row(
        plain(128, input_signals="binary", weight_limit=3.0, errors="linear", **ANNEALED),
        40, ((93.6, 94.2), (63, 65), (91, 91), (92.5, 94)),
    ),
    "BS, analog input, 0.05 annealed, limit 6": Row(
        plain(128, learning_rate=0.05, weight_limit=6.0, **ANNEALED),
        40, ((96.1, 96.1), (74, 74), (92.5, 92.5), (95.3, 95.3)),
    ),
    "BS, analog input, 0.02 annealed, cycle noise 1 step": Row(
        noisy(1.0), 25, ((96.1, 96.1), (63, 63), (91, 91), (96.7, 96.7))
    ),
    "BS, analog input, 0.02 annealed, cycle noise 3 steps": Row(
        noisy(3.0), 25, ((95.6, 95.6), (61, 61), (91, 91), (95, 95))
    ),
    "BS, H = 300, ×4, 0.05 annealed, limit 8": Row(
        fourfold(300, learning_rate=0.05, **ANNEALED), 40, ((98.3, 98.3), (75, 75), (94.7, 94.7), (97.2, 97.2))
    ),
    "BS, H = 300, ×4, fixed 0.02": Row(
        fourfold(300), 40, ((98.1, 98.1), (78, 78), (95.3, 95.3), (97.8, 97.8))
    ),
    "BS 128-64, plain, 0.02 annealed": Row(
        plain(128, 64, **ANNEALED), 40, ((75, 75), (28, 28), (53, 53), (64, 64))
    ),
    "HP 128-64": Row(
        HighPrecision((64, 128, 64, 10), learning_rate=0.1), 40,
        ((98.1, 98.1), (68, 68), (95, 95), (97.5, 97.5)),
    ),
    "BS 300-100, ×4, fixed 0.02": Row(
        fourfold(300, 100), 30, ((97.2, 97.2), (73, 73), (94.4, 94.4), (97.2, 97.2))
    ),
    "HP, H = 300": Row(
        HighPrecision((64, 300, 10), learning_rate=0.1), 40, ((97.8, 98.3), (68, 72), (93, 94), (97, 97.5))
    ),
}  # fmt: skip


def split(seed):
    images = load_images("digits", seed=seed, preprocess="gray")
    x = jnp.concatenate([jnp.asarray(images.train_x), jnp.asarray(images.validation_x)])
    y = jnp.concatenate([jnp.asarray(images.train_y), jnp.asarray(images.validation_y)])
    everything = Batch(x, y)
    return TrainingData(everything, everything), Batch(jnp.asarray(images.test_x), jnp.asarray(images.test_y))


def measure(row):
    """Accuracies in percent, (training run, mode), and the share of training images that are right."""
    scheme, found = row.scheme, []
    for number in range(NUM_SPLITS):
        data, test = split(number)
        keys = jax.random.split(jax.random.key(number), NUM_SEEDS)
        options = TrainOptions(row.epochs, 1, row.epochs)
        trained = train(keys, scheme, None, data, options)
        state = trained.state._replace(estimator=())
        asked = BinaryStochastic(
            **{f.name: getattr(scheme, f.name) for f in dataclasses.fields(BinaryStochastic)}
            | {"input_signals": "binary"}
        )
        accuracies = [
            evaluate(keys, asked, None, state, test, repeats, inference).mean(1)
            for inference, repeats in MODES.values()
        ]
        learnt = evaluate(keys, asked, None, state, data.train, 1, MODES["det"][0]).mean(1)
        found.append(100 * np.stack([*map(np.asarray, accuracies), np.asarray(learnt)], axis=1))
    return np.concatenate(found)


@pytest.fixture(scope="module")
def rows():
    measured, began = {}, time.perf_counter()
    for name, row in ROWS.items():
        measured[name] = measure(row)
        print(name, measured[name].mean(0).round(1), f"{time.perf_counter() - began:.0f} s", flush=True)  # noqa: T201
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        TABLE.write_text(as_markdown(measured), encoding="utf-8")
    return measured


def as_markdown(measured):
    lines = [
        "# Binary stochastic learning on 8×8 digits",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_digits_binary_stochastic.py`.",
        f"64-H-10, online, {NUM_SPLITS} splits × {NUM_SEEDS} seeds; percent of test images, mean and standard",
        "deviation over runs, beside the reference runs (li2023.md, section 8: one split, 1 to 3 seeds). Annealed:",
        "to a tenth of the step. Single shots and votes have binarized inputs. The paper's own numbers are not known.",
        "",
        "| | epochs | train | " + " | ".join(f"{mode} | reference" for mode in MODES) + " |",
        "|---|---|---|" + "---|---|" * len(MODES),
    ]
    for name, values in measured.items():
        mean, spread = values.mean(0), values.std(0, ddof=1)
        cells = [
            f"{mean[index]:.1f} ± {spread[index]:.1f} | {low:g}{'' if low == high else f'-{high:g}'}"
            for index, (low, high) in enumerate(ROWS[name].reference)
        ]
        lines.append(f"| {name} | {ROWS[name].epochs} | {mean[-1]:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_no_row_is_below_its_reference(name, rows):
    """By more than 1.5 points deterministically; by 2 with 100 votes, for one split has a standard error of 1 point."""
    assert rows[name].mean(0)[0] > ROWS[name].reference[0][0] - TOLERANCE
    assert rows[name].mean(0)[3] > ROWS[name].reference[3][0] - TOLERANCE_OF_VOTES
    assert rows[name][:, 0].min() > 80  # every run learns


@pytest.mark.slow
def test_orderings_of_the_reference(rows):
    """Depth with plain derivatives starves less than in the reference, whose start was another, but it does."""
    mean = {name: values.mean(0) for name, values in rows.items()}
    depth, fourfold_depth = mean["BS 128-64, plain, 0.02 annealed"], mean["BS 300-100, ×4, fixed 0.02"]
    assert fourfold_depth[0] > depth[0] + 2
    for values in mean.values():
        assert values[3] > values[2] - 0.5 > values[1]
