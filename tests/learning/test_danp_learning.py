"""Networks that learn by perturbation (T6 of Koenders et al. 2025): decorrelated against plain, at equal budget.

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_danp_learning.py

writes the reference table. The default suite has a small pair on the digits that come with scikit-learn.
"""

import os
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from charz.datasets import load_images
from charz.devices.tunnel_junction import published_junction
from charz.learning import Batch, join
from charz.learning.estimators import activity_perturbation, danp
from charz.learning.noisy_network import uniform_start
from charz.learning.writes import ideal

TABLE = Path(__file__).parents[1] / "results" / "danp-reference.md"
BATCH = 64


@partial(jax.jit, static_argnums=(1, 2, 3, 4))
def learn(key, sizes, rate, decorrelation, epochs, train, test):
    """Loss of the last epoch, its coupling, and test accuracy after each epoch, under noise and without.

    Every node has a published junction of its own. Decorrelation None is plain ANP.
    """
    noise = published_junction()
    plain = decorrelation is None
    estimator = activity_perturbation(noise) if plain else danp(noise, decorrelation)
    rule = join(estimator, optax.adam(rate), ideal(), lambda key: uniform_start(key, sizes))
    steps = train.x.shape[0] // BATCH

    def one_step(state, step):
        key, rows = step
        state, info = rule.step(key, state, Batch(train.x[rows], train.y[rows]))
        return state, (info["loss"], info["coupling"].mean())

    def one_epoch(state, key):
        key_order, key_steps, key_read = jax.random.split(key, 3)
        order = jax.random.permutation(key_order, train.x.shape[0])[: steps * BATCH].reshape(steps, BATCH)
        state, seen = jax.lax.scan(one_step, state, (jax.random.split(key_steps, steps), order))
        noisy, quiet = rule.predict(key_read, state, test.x), rule.deterministic(state, test.x)
        right = [(logits.argmax(-1) == test.y).mean() for logits in (noisy, quiet)]
        return state, (*(values.mean() for values in seen), *right)

    key_start, key_epochs = jax.random.split(key)
    return jax.lax.scan(one_epoch, rule.init(key_start), jax.random.split(key_epochs, epochs))[1]


def batches(name, num_train, num_test, root=None):
    images = load_images(name, seed=0, root=root, preprocess="standardised")
    train = Batch(jnp.asarray(images.train_x[:num_train]), jnp.asarray(images.train_y[:num_train]))
    return train, Batch(jnp.asarray(images.test_x[:num_test]), jnp.asarray(images.test_y[:num_test]))


def test_decorrelation_learns_sooner_on_correlated_inputs():
    """Pixels of digits are correlated: after 5 epochs of 17 steps, in each of four pairs of networks."""
    train, test = batches("digits", 1149, 360)
    keys = jax.random.split(jax.random.key(0), 4)
    right = {}
    for decorrelation in (1e-3, None):
        each = jax.vmap(lambda key: learn(key, (64, 100, 100, 10), 2e-3, decorrelation, 5, train, test))  # noqa: B023
        loss, coupling, right[decorrelation], _ = (np.asarray(values) for values in each(keys))
        assert (loss[:, -1] < 0.9 * loss[:, 0]).all()
        assert ((coupling[:, -1] < 0.5 * coupling[:, 0]) == (decorrelation is not None)).all()
    difference = right[1e-3][:, -1] - right[None][:, -1]
    assert difference.mean() > 4 * difference.std(ddof=1) / np.sqrt(4)


# Rate of Adam, rate of decorrelation, epochs; the last row's rates are the published ones of MNIST.
ROWS = {
    "DANP": (5e-4, 1e-5, 15),
    "ANP": (5e-4, None, 15),
    "DANP, labels shuffled": (5e-4, 1e-5, 15),
    "DANP, published rates": (4.8828e-5, 1.9073e-7, 5),
}
SIZES = (784, 500, 500, 500, 10)


@pytest.fixture(scope="module")
def rows(data_root):
    if not (data_root / "mnist").is_dir():
        pytest.skip(f"MNIST not found under {data_root}; set CHARZ_DATA")
    train, test = batches("mnist", 8000, 10_000, data_root)
    shuffled = train._replace(y=jax.random.permutation(jax.random.key(1), train.y))
    measured = {}
    for name, (rate, decorrelation, epochs) in ROWS.items():
        began = time.perf_counter()
        data = shuffled if "shuffled" in name else train
        result = learn(jax.random.key(0), SIZES, rate, decorrelation, epochs, data, test)
        measured[name] = [np.asarray(values) for values in result] + [time.perf_counter() - began]
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        TABLE.write_text(as_markdown(measured), encoding="utf-8")
    return measured


def as_markdown(measured):
    lines = [
        "# DANP against ANP: the short reference pair of Koenders et al. 2025, on MNIST",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/learning/test_danp_learning.py`.",
        "784-500-500-500-10, one published junction a node, batch 64, 8000 training and all 10,000 test images, one",
        "seed. Accuracy on test images after epochs 1, 5, 10 and the last, under noise; then without noise.",
        "",
        "| | Adam | decorrelation | 1 | 5 | 10 | last | without noise | loss, first to last epoch | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (loss, _, noisy, quiet, seconds) in measured.items():
        rate, decorrelation, epochs = ROWS[name]
        cells = [f"{noisy[epoch - 1]:.3f}" if epoch <= epochs else "" for epoch in (1, 5, 10, epochs)]
        lines.append(
            f"| {name} | {rate:g} | {decorrelation or 0:g} | {' | '.join(cells)} | {quiet[-1]:.3f} |"
            f" {loss[0]:.3f} to {loss[-1]:.3f} | {seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_danp_learns_where_anp_does_not(rows):
    """Our reference runs (paper's file, section 8): .912 against .463 after 15 epochs, on 2000 images."""
    assert rows["DANP"][2][-1] >= 0.88
    assert rows["ANP"][2][-1] < 0.65


@pytest.mark.slow
def test_nothing_is_learnt_from_shuffled_labels(rows):
    """No better than guessing on the training data; on test images at chance.

    A network that gives each of ten kinds of images one label at random has accuracy .1 with sd √(.09/10) = .095.
    """
    loss, _, noisy, _, _ = rows["DANP, labels shuffled"]
    assert (loss > np.log(10)).all()
    assert abs(noisy[-1] - 0.1) < 2 * np.sqrt(0.09 / 10)


@pytest.mark.slow
def test_the_loss_falls_at_the_published_rates(rows):
    loss, _, noisy, _, _ = rows["DANP, published rates"]
    assert (np.diff(loss) < 0).all()
    assert noisy[-1] > 0.3
