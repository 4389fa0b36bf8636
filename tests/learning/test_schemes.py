"""Every scheme obeys the contract, learns, and refuses what it cannot do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices import published_junction
from charz.devices.junction_pair import example_junction
from charz.errors import TrainError
from charz.learning import (
    SCHEMES,
    Backprop,
    Batch,
    Inference,
    MeanVariance,
    TrainingData,
    TrainOptions,
    evaluate,
    train,
)
from charz.learning.architecture import parse_architecture
from charz.learning.inference import scores
from charz.learning.schemes import find_scheme

SIZES = {
    "single": (64, 10),
    "hidden": (64, 24, 10),
    "image": parse_architecture("6C3-MP2-10", (8, 8, 1)),
}
# Options of each scheme that the protocol runs with, by a label; a scheme without a row fails its coverage test.
# At N = 1 the reads of a small hidden layer of single wires drown what it could pass on.
NOISY = {"learning_rate": 2e-2, "final_rate": 0.2}
OPTIONS = {
    "mean-variance": {
        "single": {
            "N1": {"num_reads": 1}, "N16": {"num_reads": 16}, "Ninf": {"num_reads": None},
            "N16-pair": {"num_reads": 16, "differential": True},
        },
        "hidden": {
            "N16": {"num_reads": 16}, "Ninf": {"num_reads": None},
            "N16-pair": {"num_reads": 16, "differential": True},
        },
    },
    "danp": {"single": {"": NOISY}, "hidden": {"": NOISY | {"decorrelation_rate": 1e-3}}},
    "activity-perturbation": {"single": {"": NOISY}, "hidden": {"": NOISY}},
    "node-perturbation": {"single": {"": NOISY}, "hidden": {"": NOISY}},
    "gxnor-mtj": {"hidden": {"": {"addressing": "unswitched"}}},
    # A batch of 64 adds up as many presentations: four pulses at most keep its steps small.
    "binary-stochastic": {
        "single": {"": {}, "memristors": {"max_pulses": 8}}, "hidden": {"": {"max_pulses": 4}},
    },
    "gxnor": {"hidden": {"": {}}, "image": {"": {}}},
    "straight-through": {"hidden": {"binary": {"states": "binary"}}, "image": {"": {}}},
    "backprop": {
        "single": {"": {}}, "hidden": {"": {}, "dropout": {"dropout": 0.2, "activation": "sigmoid"}},
        "image": {"norm": {"batch_norm": True, "activation": "hard-tanh", "loss": "squared-hinge"}},
    },
}  # fmt: skip
CASES = {
    "-".join(filter(None, (name, size, label))): find_scheme(name)(SIZES[size], **options)
    for name, sizes in OPTIONS.items()
    for size, rows in sizes.items()
    for label, options in rows.items()
}


ON_MEMRISTORS = CASES["binary-stochastic-single-memristors"]


def devices(scheme, wires, num_runs=1):
    """Published devices with a leading run axis, as the scheme's role asks."""
    if scheme.devices == "synapse":
        return wires(num_runs)
    if scheme.devices == "noise":
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_runs), published_junction())
    if scheme.devices == "switch":
        alike = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_runs), example_junction())
        return scheme.hardware(alike, alike)
    return None


def keys(seed, num_runs=1):
    return jax.random.split(jax.random.key(seed), num_runs)


def test_every_scheme_is_covered():
    assert set(OPTIONS) == set(SCHEMES)


@pytest.mark.parametrize("scheme", CASES.values(), ids=CASES)
def test_rule_is_a_pure_contract(scheme, digits, wires):
    hardware = jax.tree.map(lambda leaf: leaf[0], devices(scheme, wires))
    rule = scheme.rule(hardware)
    batch = Batch(digits[0].train.x[:32], digits[0].train.y[:32])
    state = rule.init(jax.random.key(0))
    step = jax.jit(rule.step)
    first, info = step(jax.random.key(1), state, batch)
    again, _ = step(jax.random.key(1), state, batch)
    assert jax.tree.structure(first) == jax.tree.structure(state)
    for a, b, c in zip(*map(jax.tree.leaves, (state, first, again)), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(b, c)
        assert bool(jnp.isfinite(b).all())
    assert {"loss", "reads"} <= set(info)
    logits = jax.jit(rule.predict)(jax.random.key(2), state, batch.x)
    assert logits.shape == (32, 10)


# Trained in slow runs only: variants of what is trained by default.
VARIANTS = (
    "mean-variance-single-Ninf", "mean-variance-single-N16", "mean-variance-hidden-Ninf", "mean-variance-hidden-N16",
    "danp-single", "activity-perturbation-hidden", "node-perturbation-hidden", "gxnor-hidden",
    "straight-through-image", "backprop-hidden",
)  # fmt: skip
TRAINED = [
    pytest.param(scheme, id=name, marks=pytest.mark.slow if name in VARIANTS else ())
    for name, scheme in CASES.items()
]


def test_variants_are_cases():
    assert set(VARIANTS) < set(CASES)


@pytest.mark.parametrize("scheme", TRAINED)
def test_training_beats_chance_by_far(scheme, digits, wires):
    data, test = digits
    if isinstance(scheme, MeanVariance):
        scheme = dataclasses.replace(scheme, mean_input=float(data.train.x.mean()))
    hardware = devices(scheme, wires)
    trained = train(keys(0), scheme, hardware, data, TrainOptions(epochs=12))
    accuracy = evaluate(keys(1), scheme, hardware, trained.state, test, 2)
    assert accuracy.shape == (1, 2)
    assert float(accuracy.mean()) > 0.6
    for inference in (Inference("votes", 5), Inference("deterministic")):
        better = evaluate(keys(1), scheme, hardware, trained.state, test, 2, inference)
        # A binomial standard error of the difference is below 0.04 on 360 images.
        assert float(better.mean()) > float(accuracy.mean()) - 0.1
    assert better[0, 0] == better[0, 1]


def test_reads_are_counted(digits, wires):
    data, _ = digits
    scheme = MeanVariance((64, 10), num_reads=4)
    trained = train(keys(0), scheme, wires(1), data, TrainOptions(epochs=1, batch_size=32))
    samples = (len(data.train.y) // 32) * 32
    expected = 4 * 10 * float(data.train.x.sum()) * samples / len(data.train.y)
    np.testing.assert_allclose(float(trained.reads[0]), expected, rtol=0.02)


def test_drives_stay_in_the_range_of_the_source(digits, wires):
    data, _ = digits
    scheme = MeanVariance((64, 10), drive_range=(4.0, 5.0))
    trained = train(keys(0), scheme, wires(1), data, TrainOptions(epochs=10))
    weight = trained.state.weights[0].weight
    assert float(weight.min()) == 4.0
    assert float(weight.max()) == 5.0


def test_early_stopping_keeps_the_best_of_each_run(digits):
    data, _ = digits
    scheme = Backprop((64, 32, 10), learning_rate=0.05)
    trained = train(keys(0, 3), scheme, None, data, TrainOptions(epochs=60, patience=4))
    loss = np.asarray(trained.validation_loss)
    for run in range(3):
        num_epochs, best = int(trained.num_epochs[run]), int(trained.best_epoch[run])
        assert best == np.nanargmin(loss[run]) + 1
        assert num_epochs == min(best + 4, 60)
        assert np.isnan(loss[run, num_epochs:]).all()
    assert int(trained.num_epochs.max()) < 60


def test_a_run_does_not_depend_on_its_companions(digits, wires):
    data, _ = digits
    scheme = MeanVariance((64, 10), num_reads=2)
    options = TrainOptions(epochs=3)
    together = train(keys(5, 4), scheme, wires(4), data, options)
    alone = train(keys(5, 4)[2:3], scheme, wires(1), data, options)
    np.testing.assert_allclose(
        together.state.weights[0].weight[2], alone.state.weights[0].weight[0], rtol=1e-4, atol=1e-4
    )


def test_the_loop_reports_every_epoch(digits):
    data, _ = digits
    seen = []
    train(
        keys(0, 2), Backprop((64, 10)), None, data, TrainOptions(epochs=3),
        lambda epoch, accuracy: seen.append((epoch, np.asarray(accuracy).shape)),
    )  # fmt: skip
    assert sorted(seen) == [(1, (2,)), (2, (2,)), (3, (2,))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": (64,)}, ["sizes", "inputs and outputs"]),
        ({"num_reads": 0}, ["num_reads", "at least once"]),
        ({"learning_rate": -1.0}, ["learning_rate", "positive"]),
        ({"drive_range": (2.0, 1.0)}, ["drive_range"]),
    ],
)
def test_a_wrong_scheme_is_refused(options, words):
    with pytest.raises(TrainError) as error:
        MeanVariance(**{"sizes": (64, 10), **options})
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"final_rate": 2.0}, "final_rate is 2.0; it must be at most 1"),
        ({"decorrelation_rate": -1.0}, "decorrelation_rate is -1.0"),
    ],
)
def test_a_wrong_perturbation_is_refused(options, words):
    with pytest.raises(TrainError, match=words):
        find_scheme("danp")((64, 10), **options)


def test_noise_is_asked_for():
    with pytest.raises(TrainError, match="noise of its nodes"):
        find_scheme("danp")((64, 10)).rule(None)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(TrainError, match=r"magic.*mean-variance"):
        find_scheme("magic")


def test_votes_break_ties_and_settle_noise(digits, wires):
    """At N = 1 single shots err at random: many votes are better than one."""
    data, test = digits
    scheme = MeanVariance((64, 10), num_reads=1)
    trained = train(keys(0), scheme, wires(1), data, TrainOptions(epochs=8))
    once, voted = (
        float(evaluate(keys(1), scheme, wires(1), trained.state, test, 4, inference).mean())
        for inference in (Inference(), Inference("votes", 15))
    )
    assert voted > once + 0.01


@pytest.mark.parametrize(
    ("options", "words"),
    [({"mode": "guess"}, "inference 'guess'.*votes"), ({"mode": "votes", "votes": 0}, "votes is 0")],
)
def test_wrong_inference_is_refused(options, words):
    with pytest.raises(TrainError, match=words):
        Inference(**options)


def test_hardware_without_a_quiet_state_refuses_deterministic_inference(digits):
    rule = Backprop((64, 10)).rule(None)._replace(deterministic=None)
    state = rule.init(jax.random.key(0))
    with pytest.raises(TrainError, match="cannot be read without noise"):
        scores(Inference("deterministic"), rule, jax.random.key(0), state, digits[0].train.x[:4])


def test_devices_are_asked_for(digits):
    with pytest.raises(TrainError, match="needs devices"):
        MeanVariance((64, 10)).rule(None)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "patience"])
def test_wrong_options_are_refused(name):
    with pytest.raises(TrainError, match=f"{name} is 0"):
        TrainOptions(**{name: 0})


def test_data_that_do_not_fit_are_refused(digits, wires):
    data, _ = digits
    small = TrainingData(Batch(data.train.x[:8], data.train.y[:8]), data.validation)
    with pytest.raises(TrainError, match="batch_size 64 exceeds the 8"):
        train(keys(0), Backprop((64, 10)), None, small)
    with pytest.raises(TrainError, match="64 inputs a sample, the network 196"):
        train(keys(0), Backprop((196, 10)), None, data)
