"""Reproductions of papers: every row can be built, is measured with an interval, and stands beside its target."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning import SCHEMES, Backprop, Batch, TrainingData, TrainOptions
from charz.learning.reproductions import PAPERS, SCALES, Sources, find_paper, measure
from charz.learning.reproductions.contract import NO_TARGET, NetworkExperiment


def blobs(seed=0):
    """Two classes, well apart."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 2, 96)
    x = generator.normal(size=(96, 4)) + 3 * y[:, None]
    batch = Batch(jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32))
    part = [Batch(*(leaf[start : start + 32] for leaf in batch)) for start in (0, 32, 64)]
    return TrainingData(part[0], part[1]), part[2]


SOURCES = Sources(lambda name, preprocess: blobs(), (np.zeros((4, 2)), np.zeros((6, 4))))


def experiment():
    return NetworkExperiment(
        "blobs", NO_TARGET, "blobs", "", Backprop((4, 2), learning_rate=0.1), TrainOptions(20, 16, 20)
    )


def test_a_row_has_the_interval_of_its_seeds():
    row = measure(experiment(), jax.random.key(0), 4, SOURCES)
    values = experiment().run(jax.random.key(0), 4, SOURCES)
    assert row.mean == pytest.approx(values.mean())
    # Student's t, 90 %, three degrees of freedom: 2.3534.
    half = 2.3534 * values.std(ddof=1) / 2
    assert (row.low, row.high) == pytest.approx((row.mean - half, row.mean + half), rel=1e-4)
    assert row.mean > 0.9
    assert row == measure(experiment(), jax.random.key(0), 4, SOURCES)


def test_one_seed_has_no_interval():
    row = measure(experiment(), jax.random.key(0), 1, SOURCES)
    assert math.isnan(row.low)
    assert math.isnan(row.high)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
def test_every_paper_has_rows_targets_and_differences(paper, scale):
    rows = paper.experiments(scale)
    assert len({row.what for row in rows}) == len(rows) > 1
    assert paper.differs(scale)
    assert all(row.target.of for row in rows if row.target.text)
    for row in rows:
        if isinstance(row, NetworkExperiment):
            hash(row.scheme)
            assert type(row.scheme) is SCHEMES[row.scheme.name]
            assert (row.device is None) == (row.scheme.devices is None or not row.scheme.needs_devices)


def test_every_scheme_has_a_paper_or_is_a_baseline():
    used = {
        row.scheme.name
        for paper in PAPERS.values()
        for row in paper.experiments("quick")
        if isinstance(row, NetworkExperiment)
    }
    assert set(SCHEMES) - used == {"node-perturbation", "straight-through"}


def test_unknown_names():
    with pytest.raises(
        TrainError, match="paper 'li2022' is not known; choose one of ellis2023, koenders2025"
    ):
        find_paper("li2022", "quick")
    with pytest.raises(TrainError, match="--scale 'half' is not known; choose one of quick, full"):
        find_paper("li2023", "half")
