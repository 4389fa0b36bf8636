"""A record replayed: which sample each node reads when, what is said about it, what is refused."""

from functools import cache

import equinox as eqx
import jax
import numpy as np
import pytest

from charz.devices.recorded_noise import RecordedNoise, ReplayState, correlation_time
from charz.devices.tunnel_junction import published_junction
from charz.errors import CharzError

COUNT = np.arange(1000) / 1000


draw = eqx.filter_jit(lambda source, *arguments: source.draw(*arguments))


@cache
def telegraph_record(reads=200_000):
    junction = published_junction()
    volts, _ = draw(junction, jax.random.key(1), junction.init(jax.random.key(0), 1), reads, 1)
    return np.asarray(volts)[:, 0]


def samples(volts):
    return np.rint(np.asarray(volts) * 1000).astype(int)


@pytest.mark.parametrize(("stride", "apart"), [(None, 250), (30, 30)])
def test_strided_nodes_read_on_from_where_they_are(stride, apart):
    noise = RecordedNoise(COUNT, stride=stride)
    state = noise.init(jax.random.key(0), 4)
    start = int(state.position)
    first, state = draw(noise, jax.random.key(1), state, 700, 4)
    second, _ = draw(noise, jax.random.key(1), state, 500, 4)
    expected = start + np.arange(1200)[:, None] + apart * np.arange(4)
    np.testing.assert_array_equal(samples(np.concatenate([first, second])), expected % 1000)


def test_row_major_neighbours_read_neighbouring_samples():
    noise = RecordedNoise(COUNT, cut="row-major")
    state = ReplayState(np.uint32(990))
    first, state = draw(noise, jax.random.key(1), state, 3, 7)
    second, _ = draw(noise, jax.random.key(1), state, 400, 7)
    np.testing.assert_array_equal(
        samples(np.concatenate([first, second])), (990 + np.arange(403 * 7).reshape(-1, 7)) % 1000
    )


def test_positions_begin_anywhere():
    starts = [int(RecordedNoise(COUNT).init(jax.random.key(seed), 2).position) for seed in range(200)]
    assert min(starts) < 50
    assert max(starts) > 950
    assert max(starts) < 1000


def test_strided_nodes_fluctuate_apart_and_row_major_ones_together():
    """Correlation of neighbours: none against ρ of one read, with the share of the telegraph in the variance."""
    record, junction = telegraph_record(), published_junction()
    share = 1 - float(junction.noise**2 / junction.variance())
    seen = {}
    for cut in ("strided", "row-major"):
        noise = RecordedNoise(record, cut=cut)
        volts, _ = draw(noise, None, noise.init(jax.random.key(3), 50), 3000, 50)
        volts = np.asarray(volts, float)
        seen[cut] = np.mean([np.corrcoef(volts[:, n], volts[:, n + 1])[0, 1] for n in range(49)])
    # 49 pairs of 3000 reads, each worth 5.9 times fewer: standard error below 0.01.
    assert abs(seen["strided"]) < 0.03
    assert abs(seen["row-major"] - 0.8382 * share) < 0.03


def test_correlation_time_of_a_junction_is_its_own():
    assert correlation_time(telegraph_record()) == pytest.approx(-1 / np.log(0.8382), rel=0.05)


def test_white_noise_has_no_correlation_time():
    assert correlation_time(np.random.default_rng(0).normal(size=5000)) == 0.0


def test_the_cut_is_described_in_correlation_times():
    record = telegraph_record()
    strided = RecordedNoise(record).describe(1000)
    time = correlation_time(record)
    assert f"1000 nodes 200 samples = {200 / time:.3g} correlation times" in strided
    assert "nodes are independent" in strided
    assert "wraps around after 200000 reads" in strided
    row_major = RecordedNoise(record, cut="row-major").describe(1000)
    assert f"1000 nodes 1 samples = {1 / time:.3g} correlation times" in row_major
    assert "FLUCTUATE TOGETHER" in row_major
    assert "wraps around after 200 reads" in row_major
    assert "inf correlation times" in RecordedNoise(np.random.default_rng(0).normal(size=5000)).describe(10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"trace": COUNT, "cut": "diagonal"},
            "cut 'diagonal' is not known; it must be one of strided, row-major",
        ),
        ({"trace": COUNT, "stride": 0}, "stride is 0; nodes must be at least 1 sample apart"),
        ({"trace": COUNT.reshape(2, 500)}, r"trace has shape \(2, 500\); it must be one row"),
        ({"trace": COUNT[:1]}, r"trace has shape \(1,\)"),
        ({"trace": np.where(COUNT > 0.5, np.nan, COUNT)}, "no finite voltage at sample 501"),
        ({"trace": np.full(10, 0.5)}, r"trace is 0\.5 V throughout"),
    ],
)
def test_records_that_cannot_be_replayed_are_refused(arguments, message):
    with pytest.raises(CharzError, match=message):
        RecordedNoise(**arguments)


@pytest.mark.parametrize(("stride", "nodes"), [(300, 4), (None, 1001)])
def test_a_record_too_short_for_its_nodes_is_refused(stride, nodes):
    with pytest.raises(CharzError, match=f"the record has 1000 samples; {nodes} nodes at a stride"):
        RecordedNoise(COUNT, stride=stride).init(jax.random.key(0), nodes)


def test_a_record_that_drifts_has_no_correlation_time():
    with pytest.raises(CharzError, match="less than 20 correlation times long: it drifts"):
        correlation_time(np.r_[np.zeros(500), np.ones(500)] + 1e-6 * np.arange(1000))
