"""Prediction of accuracy: what varies with what, and the split of its variance."""

import jax
import numpy as np
import pytest

from charz.devices import mean_wire
from charz.errors import TrainError
from charz.learning import Backprop, Design, MeanVariance, TrainOptions, predict_accuracy, split_variance

SCHEME = MeanVariance((64, 10), num_reads=16, drive_range=(2.6, 6.6))

SMALL = Design(draws=3, arrays=2, seeds=2, repeats=3)


def predict(digits, sample, mode, design=SMALL, **options):
    data, test = digits
    return predict_accuracy(
        jax.random.key(0), SCHEME, sample, mean_wire(), data, test,
        mode=mode, design=design, options=TrainOptions(epochs=options.pop("epochs", 8)), **options,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["in-situ", "transfer"])
def test_prediction_is_labelled_and_reproducible(mode, digits, population):
    first = predict(digits, population(), mode)
    assert first["accuracy"].dims == ("draw", "array", "seed", "repeat")
    assert first["accuracy"].shape == (3, 2, 2, 3)
    assert first.attrs["accuracy_q05"] <= first.attrs["accuracy_mean"] <= first.attrs["accuracy_q95"]
    assert "90%" in first.attrs["interval"]
    assert first.equals(predict(digits, population(), mode))


@pytest.mark.parametrize("mode", ["in-situ", "transfer"])
def test_chunks_do_not_change_a_bit_of_the_result(mode, digits, population):
    whole = predict(digits, population(), mode, chunk_size=12)
    for chunk_size in (1, 5):
        assert whole.identical(predict(digits, population(), mode, chunk_size=chunk_size))


def test_transfer_suffers_from_spread_and_in_situ_adapts(digits, population):
    spread = population(location_sd=0.8, mean_sd=0.0)
    transfer, in_situ = (predict(digits, spread, mode, epochs=20) for mode in ("transfer", "in-situ"))
    assert in_situ.attrs["accuracy_mean"] > transfer.attrs["accuracy_mean"] + 0.05


def test_uncertain_population_is_seen_as_parameter_uncertainty(digits, population):
    design = Design(8, 3, 1, 2)
    uncertain = predict(digits, population(location_sd=0.1, mean_sd=1.0), "transfer", design, epochs=20)
    certain = predict(digits, population(location_sd=0.6, mean_sd=0.0), "transfer", design, epochs=20)
    assert uncertain.attrs["variance_parameters"] > 3 * uncertain.attrs["variance_device_to_device"]
    assert certain.attrs["variance_device_to_device"] > certain.attrs["variance_parameters"]


def test_progress_ends_with_all_networks(digits, population):
    seen = []
    predict(
        digits, population(), "in-situ", epochs=1, chunk_size=5, on_progress=lambda *step: seen.append(step)
    )
    assert seen[-1] == (12, 12)
    assert sorted(np.diff([0, *(done for done, _ in seen)])) == [2, 5, 5]  # chunks finish in any order


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "guess"}, "mode 'guess'"),
        ({"mode": "in-situ", "design": Design(draws=0)}, "draws is 0"),
        ({"mode": "in-situ", "chunk_size": 0}, "chunk_size is 0"),
    ],
)
def test_wrong_requests_are_refused(options, words, digits, population):
    with pytest.raises(TrainError, match=words):
        predict(digits, population(), **options)


def test_software_has_nothing_to_propagate(digits, population):
    data, test = digits
    with pytest.raises(TrainError, match="no devices"):
        predict_accuracy(jax.random.key(0), Backprop((64, 10)), population(), mean_wire(), data, test)


TRUE_SPLIT = {"parameters": 4.0, "device_to_device": 3.0, "seed": 2.0, "cycle_to_cycle": 1.0}


def simulated_accuracies(rng, shape, shared):
    draws, arrays, seeds, _ = shape

    def normal(name, size, share=1.0):
        return rng.normal(0, (share * TRUE_SPLIT[name]) ** 0.5, size)

    seed = (
        normal("seed", (1, 1, seeds, 1), 0.5) + normal("seed", (draws, arrays, seeds, 1), 0.5)
        if shared
        else normal("seed", (draws, arrays, seeds, 1))
    )
    return (
        normal("parameters", (draws, 1, 1, 1))
        + normal("device_to_device", (draws, arrays, 1, 1))
        + seed
        + normal("cycle_to_cycle", shape)
    )


@pytest.mark.parametrize("shared", [False, True])
def test_variance_split_recovers_known_components(shared):
    """Mean over 400 simulated designs within 4 standard errors; clipping at 0 is rare at this size."""
    rng = np.random.default_rng(0)
    estimates = np.array(
        [split_variance(simulated_accuracies(rng, (24, 6, 6, 4), shared), shared) for _ in range(400)]
    )
    error = estimates.std(0, ddof=1) / 20
    assert (np.abs(estimates.mean(0) - list(TRUE_SPLIT.values())) < 4 * error).all()


def test_a_level_with_one_member_is_not_separable():
    values = np.random.default_rng(0).normal(size=(5, 1, 1, 1))
    split = split_variance(values, shared_seeds=False)
    assert np.isnan([split.device_to_device, split.seed, split.cycle_to_cycle]).all()
    np.testing.assert_allclose(split.parameters, values.var(ddof=1))
