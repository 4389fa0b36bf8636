"""Records from which levels and rates cannot be learnt end in one clear sentence."""

import jax
import numpy as np
import pytest
from design_telegraph import DESIGNS, INTERVAL, dataset_of, states

from charz.errors import FitError
from charz.fitting.telegraph import FAMILY, records

MODELS = {model.name: model for model in FAMILY.models}


def trace(seed=0, size=1000, up=0.05, down=0.05):
    generator = np.random.default_rng(seed)
    return states(generator, up, down, size) + 0.1 * generator.standard_normal(size)


def require(dataset, name="two-state", pool="complete"):
    FAMILY.require_information(FAMILY.observe(dataset), MODELS[name], pool)


def without_interval(signal, **variables):
    dataset = dataset_of(np.atleast_2d(signal)).drop_vars("sample_interval")
    return dataset.assign(variables)


def test_a_healthy_record_is_accepted():
    require(dataset_of(trace()[None]))


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (np.full(100, np.nan), "device d0 has no sample"),
        (np.full(100, 2.5), "all samples of device d0 equal 2.5; a constant signal has no two levels"),
    ],
)
def test_nothing_to_fit(signal, message):
    with pytest.raises(FitError, match=message):
        FAMILY.observe(dataset_of(signal[None]))


def test_one_level_with_white_noise_has_not_switched():
    noise = np.random.default_rng(1).standard_normal(5000)
    with pytest.raises(FitError, match=r"no switching seen in device d0.*measure"):
        require(dataset_of(noise[None]))


def test_fast_switching_between_clear_levels_is_switching():
    """No memory from sample to sample, but two levels."""
    generator = np.random.default_rng(2)
    require(dataset_of((generator.integers(0, 2, 1000) + 0.1 * generator.standard_normal(1000))[None]))


@pytest.mark.parametrize("pool", ["complete", "none", "hierarchical"])
def test_too_few_dwells(pool):
    signal = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0], 100)
    signal += 0.01 * np.random.default_rng(3).standard_normal(signal.size)
    with pytest.raises(FitError, match=r"too few dwells.*enters a level 3 times, at least 5"):
        require(dataset_of(signal[None]), pool=pool)


def test_few_dwells_of_one_of_many_records():
    still = np.repeat([0.0, 1.0], 500) + 0.01 * np.random.default_rng(4).standard_normal(1000)
    several = dataset_of(np.stack([trace(5), still]))
    require(several, pool="complete")
    with pytest.raises(FitError, match="too few dwells: device d1 enters a level 0 times"):
        require(several, pool="none")


@pytest.mark.parametrize("interval", [0.0, -1.0, np.nan])
def test_an_interval_must_be_a_time(interval):
    dataset = dataset_of(trace()[None])
    dataset["sample_interval"][:] = interval
    with pytest.raises(FitError, match=r"sample_interval of device d0 is .* must be above zero"):
        FAMILY.observe(dataset)


def test_an_unknown_interval_makes_rates_per_sample():
    observations = FAMILY.observe(without_interval(trace()))
    assert observations.units["time"] == "sample"
    assert "rates are per sample" in observations.remarks[0]
    rate = next(p for p in MODELS["two-state"].free if p.name == "rate_up")
    assert observations.unit_of(rate) == "1/sample"


def test_time_stamps_give_the_mean_step_but_no_gaps():
    elapsed = np.round(np.arange(1000) * 0.12551, 2)[None]
    stamps = (("device", "time"), elapsed, {"units": "s"})
    observations = FAMILY.observe(without_interval(trace(), elapsed=stamps))
    np.testing.assert_allclose(observations.arrays["interval"], 0.12551, rtol=1e-4)
    elapsed[0, 500:] += 3.0
    with pytest.raises(FitError, match=r"time stamps of device d0 have a largest step of 3\.1"):
        FAMILY.observe(without_interval(trace(), elapsed=stamps))


@pytest.mark.parametrize(
    ("model", "setting"), [("telegraph-drive", "drive"), ("telegraph-arrhenius", "temperature")]
)
def test_laws_of_rates_need_their_setting(model, setting):
    signals = np.stack([trace(seed) for seed in range(3)])
    with pytest.raises(FitError, match=f"needs the {setting} of each record, and the dataset has none"):
        require(dataset_of(signals), model)
    with pytest.raises(FitError, match=f"all records were measured at {setting} = 300"):
        require(dataset_of(signals, **{setting: np.full(3, 300.0)}), model)
    with pytest.raises(FitError, match=f"pool='none' leaves each record by itself at one {setting}"):
        require(dataset_of(signals, **{setting: np.array([300.0, 310.0, 320.0])}), model, "none")


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [("temperature", 0.0, "above zero and in K"), ("drive", np.inf, "must be finite")],
)
def test_settings_must_be_possible(setting, value, message):
    signals = np.stack([trace(0), trace(1)])
    with pytest.raises(FitError, match=message):
        FAMILY.observe(dataset_of(signals, **{setting: np.array([value, 300.0])}))


def test_gaps_are_remarked():
    signal = trace()
    signal[[100, 200, 201]] = np.nan
    assert (
        "device d0: 3 samples are missing inside the record"
        in FAMILY.observe(dataset_of(signal[None])).remarks[-1]
    )


def test_checks_look_at_the_beginning_of_a_long_record(monkeypatch):
    monkeypatch.setattr(records, "CHECKED_SAMPLES", 300)
    whole = FAMILY.observe(dataset_of(np.stack([trace(0), trace(1)])))
    part = FAMILY.for_checks(whole)
    assert part.measured.shape == part.arrays["signal"].shape == (2, 300)
    assert part.blocks.shape[0] == 2
    assert "first 300 samples" in part.remarks[-1]


@pytest.mark.parametrize("name", MODELS)
def test_starts_and_priors_exist_for_every_parameter(name):
    observations = FAMILY.observe(DESIGNS[name].dataset)
    table, priors = MODELS[name].candidates(observations), MODELS[name].priors(observations)
    assert len({column.shape[1] for column in table.values()}) == 1
    for parameter in MODELS[name].free:
        with jax.enable_x64(True):
            linked = np.asarray(parameter.link.forward(jax.numpy.asarray(table[parameter.name])))
        assert np.isfinite(linked).all()
        assert len(priors[parameter.linked_name]) == 2


def test_a_start_is_close_to_the_truth():
    table = MODELS["two-state"].candidates(FAMILY.observe(dataset_of(trace(6, 20_000, 0.02, 0.04)[None])))
    found = {name: column[0, 0] for name, column in table.items()}
    assert found["low"] == pytest.approx(0.0, abs=0.01)
    assert found["separation"] == pytest.approx(1.0, abs=0.01)
    assert found["noise"] == pytest.approx(0.1, rel=0.05)
    assert found["rate_up"] == pytest.approx(0.02 / INTERVAL, rel=0.25)
    assert found["rate_down"] == pytest.approx(0.04 / INTERVAL, rel=0.25)


def test_a_dataset_without_settings_has_none():
    assert not {"excess", "cooling"} & set(FAMILY.observe(dataset_of(trace()[None])).arrays)
