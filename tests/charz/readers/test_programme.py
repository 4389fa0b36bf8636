"""Files that hold what was applied, not what was measured, are refused with the reason."""

import numpy as np
import pytest

import charz
from charz.errors import ReadError
from charz.kinds import KINDS
from charz.readers import open_table
from charz.readers.programme import MAX_DISTINCT, MIN_ROWS, programme_reason

ANALOG = {"pulse_train", "iv_sweep", "retention", "transfer", "hysteresis"}


def table(tmp_path, *columns, name="p.csv"):
    names = ",".join(f"c{index}" for index in range(len(columns)))
    rows = "\n".join(",".join(map(str, row)) for row in zip(*columns, strict=True))
    (tmp_path / name).write_text(f"{names}\n{rows}\n")
    return open_table(tmp_path / name)


def repeated(count, size=MIN_ROWS):
    return [0.5 * (index % count) for index in range(size)]


@pytest.mark.parametrize("kind", KINDS)
def test_only_analog_kinds_are_asked(tmp_path, kind):
    reason = programme_reason(table(tmp_path, repeated(2), repeated(3)), KINDS[kind])
    assert (reason is not None) == (kind in ANALOG)
    if reason is not None:
        assert "2, 3 different exact values in 50 rows" in reason


def test_limits(tmp_path):
    kind = KINDS["iv_sweep"]
    assert programme_reason(table(tmp_path, repeated(MAX_DISTINCT)), kind) is not None
    assert programme_reason(table(tmp_path, repeated(MAX_DISTINCT + 1)), kind) is None
    assert programme_reason(table(tmp_path, repeated(2, MIN_ROWS - 1)), kind) is None
    assert programme_reason(table(tmp_path, *[repeated(2)] * 65), kind) is None
    noise = np.random.default_rng(0).normal(size=MIN_ROWS).tolist()
    assert programme_reason(table(tmp_path, repeated(2), noise), kind) is None


def test_text_and_empty_columns_say_nothing(tmp_path):
    kind = KINDS["iv_sweep"]
    names = [f"wire{index}" for index in range(MIN_ROWS)]
    assert "2 different" in programme_reason(table(tmp_path, names, repeated(2)), kind)
    empty = [""] * MIN_ROWS
    assert "only 2 different" in programme_reason(table(tmp_path, repeated(2), empty), kind)


def test_a_table_without_numbers_is_none(tmp_path):
    np.save(tmp_path / "texts.npy", np.array([f"wire{index}" for index in range(MIN_ROWS)]))
    assert programme_reason(open_table(tmp_path / "texts.npy"), KINDS["iv_sweep"]) is None


def test_reading_refuses_and_says_how_to_read_it_all_the_same(tmp_path):
    path = table(tmp_path, repeated(2), repeated(3)).path
    keys = {"columns": {"voltage": "c0", "current": "c1"}, "units": {"voltage": "V", "current": "A"}}
    with pytest.raises(ReadError, match=r"stimulus programme .* add --few-values") as caught:
        charz.read(path, "iv_sweep", **keys)
    assert str(caught.value).startswith(str(path))
    assert charz.read(path, "iv_sweep", few_values=True, **keys).sizes["point"] == MIN_ROWS
