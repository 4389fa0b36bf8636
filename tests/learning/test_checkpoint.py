"""A training that is killed goes on from its checkpoint, and ends with the same bits as one that was not."""

import os
import signal
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning import Batch, Gxnor, TrainingData, TrainOptions, train
from charz.learning.architecture import dense

KEYS = jax.random.split(jax.random.key(0), 2)
OPTIONS = TrainOptions(epochs=6, batch_size=16, patience=6)
SCHEME = Gxnor(dense(12, 8, 3), learning_rate=0.05)


def data():
    x = jax.random.normal(jax.random.key(1), (96, 12))
    y = (x @ jax.random.normal(jax.random.key(2), (12, 3))).argmax(1)
    return TrainingData(Batch(x[:64], y[:64]), Batch(x[64:], y[64:]))


def assert_same_bits(one, other):
    mine, theirs = jax.tree.leaves(one), jax.tree.leaves(other)
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_checkpoints_do_not_change_the_result(tmp_path):
    path = tmp_path / "run.npz"
    plain = train(KEYS, SCHEME, None, data(), OPTIONS)
    assert_same_bits(plain, train(KEYS, SCHEME, None, data(), OPTIONS, checkpoint=path))
    # A finished training is read back, not trained again.
    before = path.stat().st_mtime_ns
    assert_same_bits(plain, train(KEYS, SCHEME, None, data(), OPTIONS, checkpoint=path))
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in tmp_path.iterdir()] == ["run.npz"]


KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from {module} import KEYS, OPTIONS, SCHEME, data
from charz.learning import train

def on_epoch(epoch, accuracy):
    if epoch == 4:
        os.kill(os.getpid(), signal.SIGKILL)

train(KEYS, SCHEME, None, data(), OPTIONS, on_epoch, checkpoint=sys.argv[1])
"""


def test_a_killed_training_resumes_to_the_same_bits(tmp_path):
    """Killed inside its fourth epoch, in another process: three are on disk."""
    path, module = tmp_path / "run.npz", os.path.basename(__file__).removesuffix(".py")
    program = textwrap.dedent(KILLED).format(folder=os.path.dirname(__file__), module=module)
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    with np.load(path) as stored:
        assert stored["leaf_0000"] == 3
    epochs = []
    resumed = train(
        KEYS, SCHEME, None, data(), OPTIONS, lambda epoch, accuracy: epochs.append(epoch), checkpoint=path
    )
    assert epochs == [4, 5, 6]
    assert_same_bits(train(KEYS, SCHEME, None, data(), OPTIONS), resumed)


def test_stopping_early_is_part_of_the_checkpoint(tmp_path):
    impatient = TrainOptions(epochs=40, batch_size=16, patience=2)
    plain = train(KEYS, SCHEME, None, data(), impatient)
    assert (plain.num_epochs < 40).all()
    path = tmp_path / "run.npz"
    assert_same_bits(plain, train(KEYS, SCHEME, None, data(), impatient, checkpoint=path))


@pytest.mark.parametrize(
    "other",
    [
        {"keys": jax.random.split(jax.random.key(5), 2)},
        {"scheme": Gxnor(dense(12, 8, 3), learning_rate=0.06)},
        {"options": TrainOptions(epochs=7, batch_size=16, patience=6)},
        {"data": TrainingData(*(Batch(x + 1, y) for x, y in data()))},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other):
    path = tmp_path / "run.npz"
    train(KEYS, SCHEME, None, data(), TrainOptions(epochs=1, batch_size=16, patience=6), checkpoint=path)
    mine = {"keys": KEYS, "scheme": SCHEME, "hardware": None, "data": data(), "options": OPTIONS} | other
    with pytest.raises(TrainError, match=r"run\.npz: the state of another run"):
        train(**mine, checkpoint=path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(TrainError, match=r"run\.npz: not the state of a run"):
        train(KEYS, SCHEME, None, data(), OPTIONS, checkpoint=path)
