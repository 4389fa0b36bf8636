"""Columns by SOURCE: what a table answers when the column is there, and when a reader refused it."""

import numpy as np
import pytest

import charz
from charz.errors import ReadError

UNITS = {"voltage": "V", "current": "A"}


@pytest.fixture
def archive(tmp_path):
    """Archive of NumPy arrays, one of which is a pickle."""
    path = tmp_path / "batch.npz"
    rng = np.random.default_rng(0)
    np.savez(
        path, inputs=rng.normal(size=(60, 3)), outputs=rng.normal(size=60), notes=np.array([{}], dtype=object)
    )
    return path


def test_a_refused_member_is_asked_for_with_the_reason(archive):
    columns = {"voltage": "inputs*", "current": "notes"}
    with pytest.raises(ReadError, match=r"column 'notes' cannot be read: member 'notes' is a Python pickle"):
        charz.read(archive, "transfer", columns, UNITS)


def test_the_other_members_are_read_and_the_refusal_is_remarked(archive):
    dataset = charz.read(archive, "transfer", {"voltage": "inputs*", "current": "outputs"}, UNITS)
    assert dict(dataset.sizes) == {"sample": 60, "electrode": 3}
    assert "member 'notes' is a Python pickle" in dataset.attrs["remarks"][0]


def test_a_member_that_is_not_there_is_no_refusal(archive):
    with pytest.raises(ReadError, match="there is no column 'output'; did you mean 'outputs'"):
        charz.read(archive, "transfer", {"voltage": "inputs*", "current": "output"}, UNITS)
