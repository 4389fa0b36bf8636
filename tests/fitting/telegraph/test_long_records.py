"""Records read in chunks: the same posterior as in memory, from a file that is open; what cannot be is refused."""

import importlib

import jax
import numpy as np
import pytest
import xarray as xr

from charz import store
from charz.errors import FitError
from charz.fitting import anchors, check, fit, laplace
from charz.fitting.marginal import shortened
from charz.fitting.telegraph import long_records, records, streamed
from charz.fitting.telegraph.condensed import natural_of
from charz.fitting.telegraph.likelihood import Chain
from charz.fitting.telegraph.long_records import Record

NUM_SAMPLES, INTERVAL = 300_000, 1e-6


def record(num_devices=1, num_samples=NUM_SAMPLES, missing=0, slope=0.0):
    generator = np.random.default_rng(3)
    state = np.cumsum(generator.random((num_devices, num_samples)) < 0.02, axis=1) % 2
    signal = 1e-3 * state + 1.5e-4 * generator.standard_normal(state.shape)
    signal += slope * np.linspace(-0.5, 0.5, num_samples)
    signal[:, generator.choice(num_samples, missing, replace=False)] = np.nan
    return xr.Dataset(
        {
            "signal": (("device", "time"), signal, {"units": "V", "long_name": "signal"}),
            "sample_interval": ("device", [INTERVAL] * num_devices, {"units": "s", "long_name": "interval"}),
        },
        coords={"device": [f"d{i}" for i in range(num_devices)]},
        attrs={"experiment": "telegraph", "source_file": "simulated"},
    )


@pytest.fixture
def in_chunks(monkeypatch):
    """Make records of this test long, and chunks small; lanes of chunks do not fit the record's length."""
    monkeypatch.setattr(long_records, "LONG_ABOVE", 100_000)
    monkeypatch.setattr(long_records, "KEPT_SAMPLES", 60_000)
    for module in (long_records, streamed):
        monkeypatch.setattr(module, "CHUNK_SAMPLES", 70_001)
    jax.clear_caches()


@pytest.mark.parametrize(("missing", "slope", "drifting"), [(0, 0.0, False), (5000, 1e-4, True)])
def test_value_and_gradient_are_those_of_the_whole(in_chunks, missing, slope, drifting):
    """Against differences of the likelihood of the record in one piece."""
    data = record(missing=missing, slope=slope)
    signal = data["signal"].to_numpy()[0]
    low, high = np.nanmin(signal), np.nanmax(signal)
    arrays = {"centre": (low + high) / 2, "scale": high - low}
    with jax.enable_x64(True):
        transition = jax.numpy.array([[0.98, 0.02], [0.03, 0.97]])
        chain = Chain(
            1e-5, (1e-3,), 1.5e-4, transition, jax.numpy.array([0.6, 0.4]), 5e-5 if drifting else None
        )
        natural = natural_of(chain, arrays)
        own = Record(data["signal"])
        whole = streamed.Whole(own, 0, arrays["centre"], arrays["scale"], float(NUM_SAMPLES), drifting)
        value, gradient = streamed.value_and_gradient(whole, natural)
        psi, structure = jax.flatten_util.ravel_pytree(natural)
        expected = one_piece(signal, arrays, natural)
        assert value == pytest.approx(expected, rel=1e-10)
        for index in range(psi.size):
            step = 1e-5 * np.eye(psi.size)[index]
            up, down = (one_piece(signal, arrays, structure(psi + s)) for s in (step, -step))
            assert gradient[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-3), index


def one_piece(signal, arrays, natural):
    """Forward algorithm by NumPy, a sample at a time, over the density of the lowest level."""
    y = (signal - arrays["centre"]) / arrays["scale"]
    time = np.arange(y.size) / y.size - 0.5
    slope, offset = float(natural.emission.slope[0]), float(natural.emission.offset[0])
    trend = 0.0 if natural.emission.trend is None else float(natural.emission.trend[0])
    odds = np.where(np.isfinite(y), np.exp(slope * np.nan_to_num(y) + offset + trend * time), 1.0)
    (stay, up), (down, remain) = np.exp(np.asarray(natural.log_transition))
    low, high = np.exp(np.asarray(natural.log_stationary))
    total = 0.0
    for index, weight in enumerate(odds.tolist()):
        if index:
            low, high = low * stay + high * down, low * up + high * remain
        high *= weight
        size = low + high
        total += np.log(size)
        low, high = low / size, high / size
    return total


@pytest.mark.slow
def test_the_fit_is_that_of_the_record_in_memory(in_chunks, monkeypatch, tmp_path):
    """From an open file, in chunks; the reference is the same record as one piece."""
    data = record(missing=1000)
    store.save(data, tmp_path / "trace.nc")
    with store.opened(tmp_path / "trace.nc") as lazy:
        chunked = fit(lazy, "two-state", key=jax.random.key(0), pool="complete")
    monkeypatch.setattr(long_records, "LONG_ABOVE", 10**9)
    whole = fit(data, "two-state", key=jax.random.key(0), pool="complete")
    assert chunked.converged
    assert f"all {NUM_SAMPLES - 1000} samples entered the fit" in chunked.tree.attrs["data_remarks"]
    assert chunked.tree["observed_data"].sizes["time"] == 60_000
    for name, draws in whole.law_draws().items():
        np.testing.assert_allclose(chunked.law_draws()[name], draws, rtol=0, atol=1e-3 * draws.std())
    # What stays with it serves checks as any other fit's.
    assert all(row.p_value > 1e-3 for row in check(chunked, key=jax.random.key(1)))


@pytest.mark.slow
def test_several_records_each_by_itself(in_chunks):
    found = fit(record(num_devices=2), "two-state", key=jax.random.key(0), pool="none")
    separation = found.summary()["parameters"]["separation"]
    for name in ("d0", "d1"):
        assert abs(separation[name]["mean"] - 1e-3) < 5 * separation[name]["sd"]


def test_dwells_of_all_chunks_count(in_chunks, monkeypatch):
    """A record that hardly switches in its beginning is not refused for that."""
    data = record(num_samples=200_000)
    signal = data["signal"].to_numpy().copy()
    quiet = np.random.default_rng(0).standard_normal(60_000) * 1.5e-4
    signal[0, :60_000] = quiet + 1e-3 * ((np.arange(60_000) // 20_000) % 2)
    observations = records.observe(data.assign(signal=(("device", "time"), signal, data["signal"].attrs)))
    from charz.fitting.registry import family_of, find_model

    family_of("two-state").require_information(observations, find_model("two-state"), "complete")


@pytest.mark.slow
def test_a_hierarchy_in_chunks_is_that_in_memory(monkeypatch):
    """Three records, each tied to its whole: the same posterior; every device nearly as by itself."""
    data, options = record(num_devices=3), {"key": jax.random.key(0)}
    whole = fit(data, "two-state", pool="hierarchical", **options)
    alone = fit(data, "two-state", pool="none", **options)
    monkeypatch.setattr(long_records, "LONG_ABOVE", 100_000)
    monkeypatch.setattr(long_records, "KEPT_SAMPLES", 60_000)
    for module in (long_records, streamed):
        monkeypatch.setattr(module, "CHUNK_SAMPLES", 70_001)
    jax.clear_caches()
    chunked = fit(data, "two-state", pool="hierarchical", **options)
    for found in (whole, chunked):
        assert found.tree.attrs["method"] == "marginal", found.tree.attrs["remarks"]
        assert "exact gradient over 900000 samples" in found.tree.attrs["remarks"]
        assert found.converged
    for name, draws in whole.law_draws().items():
        mean, sd = draws.mean(axis=(0, 1)), draws.std(axis=(0, 1))
        again, by_itself = (found.law_draws()[name] for found in (chunked, alone))
        # Means of some 600 effective draws each: 0.15 sd is two and a half standard errors of their difference.
        assert (np.abs(again.mean(axis=(0, 1)) - mean) < 0.15 * sd).all(), name
        np.testing.assert_allclose(again.std(axis=(0, 1)), sd, rtol=0.15)
        # A population of three devices that are alike draws each towards the others, by about its error.
        assert (np.abs(by_itself.mean(axis=(0, 1)) - mean) < 2 * by_itself.std(axis=(0, 1))).all(), name


def test_nuts_of_a_hierarchy_of_long_records_is_refused(in_chunks):
    with pytest.raises(FitError, match=r"only the beginning of 150000 outcomes .* use method='marginal'"):
        fit(
            record(num_devices=3, num_samples=50_000),
            "two-state",
            key=jax.random.key(0),
            pool="hierarchical",
            method="nuts",
        )


def test_a_hierarchy_whose_parts_cannot_stand_in_for_it_is_refused(in_chunks, monkeypatch):
    monkeypatch.setattr(shortened, "LARGEST_ERROR", 0.0)
    with pytest.raises(FitError, match=r"standard error .* too long to be evaluated whole"):
        fit(
            record(num_devices=3, num_samples=50_000), "two-state", key=jax.random.key(0), pool="hierarchical"
        )


@pytest.mark.slow
def test_a_hierarchy_in_chunks_that_is_given_up_says_why(in_chunks, monkeypatch):
    integrate = importlib.import_module("charz.fitting.marginal.integrate")
    monkeypatch.setattr(integrate, "MAX_PARETO_K", -10.0)
    with pytest.raises(
        FitError, match=r"given up \(Pareto k of the population is .*NUTS would sample only the"
    ):
        fit(
            record(num_devices=3, num_samples=50_000), "two-state", key=jax.random.key(0), pool="hierarchical"
        )


def test_nuts_would_see_the_beginning_only(in_chunks):
    with pytest.raises(FitError, match="method='nuts' would sample only the beginning of 300000 outcomes"):
        fit(record(), "two-state", key=jax.random.key(0), pool="complete", method="nuts")


def test_a_short_record_beside_long_ones_is_refused(in_chunks):
    data = record(num_devices=2)
    signal = data["signal"].to_numpy().copy()
    signal[1, 1500:] = np.nan
    with pytest.raises(FitError, match="device d1 has 1500 samples beside records that are read in chunks"):
        fit(
            data.assign(signal=(("device", "time"), signal, data["signal"].attrs)),
            "two-state",
            key=jax.random.key(0),
            pool="none",
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        (anchors, "MAX_TIES", 0, "was not found from a part of them"),
        (laplace, "LARGEST_ERROR", 0.0, "too long to be evaluated whole"),
    ],
)
def test_a_part_that_cannot_stand_for_the_whole_is_refused(
    in_chunks, monkeypatch, place, name, value, message
):
    """Where a record in memory would be evaluated whole; limits are lowered, for no short record fails them."""
    monkeypatch.setattr(place, name, value)
    with pytest.raises(FitError, match=message):
        fit(record(), "two-state", key=jax.random.key(0), pool="complete")


def test_a_constant_or_empty_record_is_refused(in_chunks):
    data = record()
    flat = data.assign(signal=data["signal"] * 0 + 1.0).assign_attrs(data.attrs)
    with pytest.raises(FitError, match="a constant"):
        fit(flat, "two-state", key=jax.random.key(0), pool="complete")
