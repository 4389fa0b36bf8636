"""From one table to SI rows: masks, filters, computed variables, constants, electrodes, and what must hold."""

import json

import numpy as np
import pytest

import charz
from charz.errors import ExpressionError, ReadError, SchemaError, UnitError
from charz.expressions import parse

NAN = np.nan
SWEEP = "V (mV),I (uA)\n0,1\n500,2\n1000,1e9\n1500,4\n"
COLUMNS = {"voltage": "V", "current": "I"}


def read(tmp_path, text, kind="iv_sweep", **keys):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return charz.read(path, kind, **keys)


def sweep(tmp_path, text=SWEEP, **keys):
    return read(tmp_path, text, **{"columns": COLUMNS, **keys})


def test_masked_values_are_missing_and_counted(tmp_path):
    dataset = sweep(tmp_path, mask={"current": "abs(current) > 1e6", "voltage": "current == 4"})
    np.testing.assert_allclose(dataset["current"], [[[1e-6, 2e-6, NAN, 4e-6]]])
    np.testing.assert_allclose(dataset["voltage"], [[[0, 0.5, 1, NAN]]])
    assert json.loads(dataset.attrs["masked"]) == {
        "current": {"rule": "abs(current) > 1e6", "count": 1},
        "voltage": {"rule": "current == 4", "count": 1},
    }
    assert "masked" not in sweep(tmp_path).attrs


def test_counts_of_masks_are_summed_over_files(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(SWEEP)
    dataset = charz.read(tmp_path, "iv_sweep", COLUMNS, mask={"current": "current > 3"})
    assert json.loads(dataset.attrs["masked"])["current"]["count"] == 4
    assert np.isnan(dataset["current"]).sum() == 4


def test_an_empty_cell_may_stay_missing(tmp_path):
    text = "V (V),I (A)\n1,2\n2,\n"
    with pytest.raises(
        ReadError, match=r"line 3, column I \(current\): the cell is empty or NaN \(1 such rows\)"
    ):
        sweep(tmp_path, text)
    kept = sweep(tmp_path, text, mask={"current": "current != current"})
    np.testing.assert_array_equal(kept["current"], [[[2, NAN]]])
    left_out = sweep(tmp_path, text, where="current == current")
    assert left_out.sizes["point"] == 1


def test_filters_leave_rows_out_and_say_how_many(tmp_path):
    dataset = sweep(tmp_path, where="V < 1200 and current < 1e6")
    np.testing.assert_allclose(dataset["voltage"], [[[0, 0.5]]])
    assert (dataset.attrs["num_rows_read"], dataset.attrs["num_rows_kept"]) == (4, 2)
    assert dataset.attrs["where_rule"] == "V < 1200 and current < 1e6"


def test_derived_variables_are_computed_in_si_and_in_order(tmp_path):
    dataset = sweep(
        tmp_path,
        "V (mV),I (uA)\n500,5\n1000,20\n",
        derive={"r": "voltage / current", "g": "1 / r", "twice": "2 * g"},
        units={"r": "ohm", "twice": "S"},
    )
    np.testing.assert_allclose(dataset["r"], [[[1e5, 5e4]]])
    np.testing.assert_allclose(dataset["twice"], [[[2e-5, 4e-5]]])
    assert "g" not in dataset
    assert dataset["r"].attrs == {"units": "ohm", "long_name": "r"}
    assert json.loads(dataset.attrs["derived"])["g"] == "1 / r"


def test_a_derived_variable_may_be_what_the_kind_needs(tmp_path):
    dataset = read(
        tmp_path,
        "V (V),I (A),n\n1,2,1\n1,4,2\n",
        "pulse_train",
        columns={"V": "V", "I": "I"},
        derive={"conductance": "I / V", "polarity": "if(n > 1, -1, 1)", "cycle": "1 + 0 * n"},
        units={"n": "1"},
    )
    np.testing.assert_array_equal(dataset["conductance"], [[[2, 4]]])
    np.testing.assert_array_equal(dataset["polarity"], [[[1, -1]]])
    assert dataset["cycle"].values.tolist() == [1]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("abs(voltage)", [1, 4]),
        ("sqrt(abs(voltage))", [1, 2]),
        ("exp(0 * voltage)", [1, 1]),
        ("log(exp(voltage))", [-1, 4]),
        ("if(voltage < 0 or current > 9, 7, voltage)", [7, 4]),
        ("voltage > 0", [0, 1]),
    ],
)
def test_functions_of_expressions(tmp_path, expression, expected):
    dataset = sweep(tmp_path, "V (V),I (A)\n-1,1\n4,1\n", derive={"x": expression}, units={"x": "1"})
    np.testing.assert_allclose(dataset["x"][0, 0], expected)


def test_constants(tmp_path):
    dataset = sweep(
        tmp_path,
        "V (V),I (A)\n2,0.5\n4,0.5\n",
        constants={"series_resistance": "2 ohm", "gap": "5nm"},
        derive={"inner": "voltage - series_resistance * current"},
        units={"inner": "V"},
    )
    np.testing.assert_allclose(dataset["inner"], [[[1, 3]]])
    np.testing.assert_allclose(dataset["series_resistance"], [2])
    np.testing.assert_allclose(dataset["gap"], [5e-9])
    assert dataset["gap"].attrs["units"] == "m"


def test_a_constant_variable_of_the_kind(tmp_path):
    dataset = sweep(tmp_path, constants={"compliance": "5 mA"})
    np.testing.assert_allclose(dataset["compliance"], [[5e-3]])
    trials = read(
        tmp_path,
        "amplitude (V),switched\n1,0\n1,1\n",
        "pulse_switching",
        constants={"width": "20 ns"},
    )
    np.testing.assert_allclose(trials["width"], [[2e-8]])


def test_what_was_expected(tmp_path):
    kept = sweep(tmp_path, expect=["voltage < 2", "abs(current) < 2e3"])
    assert kept.sizes["point"] == 4
    with pytest.raises(ReadError) as caught:
        sweep(tmp_path, expect="abs(current) < 1")
    assert str(caught.value) == (
        f"{tmp_path / 't.csv'}, line 4: 'abs(current) < 1' does not hold (current = 1000, in SI; 1 of 4 rows); a "
        "unit or a constant may be wrong"
    )
    with pytest.raises(ReadError, match=r"line 5: 'V \* 3 < 4' does not hold \(V = 1\.5"):
        sweep(tmp_path, expect="V * 3 < 4", units={"V": "mV"}, columns={**COLUMNS, "V": "V"})


ELECTRODES = "Input 0 (V),Input 1 (mV),Out (nA),Input x\n1,2000,7,0.5\n3,4000,8,0.25\n"


@pytest.mark.parametrize(
    ("source", "expected", "units"),
    [
        ("@1..@2", [[1, 2], [3, 4]], {}),
        ("Input *", [[1, 2000, 0.5], [3, 4000, 0.25]], {"voltage": "V"}),
        ("input ?", None, {}),
        ("@1", [[1], [3]], {}),
    ],
)
def test_electrodes_are_several_columns(tmp_path, source, expected, units):
    keys = {"columns": {"voltage": source, "current": "Out"}, "units": units}
    if expected is None:
        with pytest.raises(ReadError, match="there is no column"):
            read(tmp_path, ELECTRODES, "transfer", **keys)
        return
    dataset = read(tmp_path, ELECTRODES, "transfer", **keys)
    np.testing.assert_allclose(dataset["voltage"], expected)
    np.testing.assert_allclose(dataset["current"], [7e-9, 8e-9])
    assert dataset["electrode"].values.tolist() == list(range(len(expected[0])))


def test_one_electrode_without_unit_is_asked_for(tmp_path):
    with pytest.raises(UnitError, match="--unit voltage=V"):
        read(tmp_path, ELECTRODES, "transfer", columns={"voltage": "Input *", "current": "Out"})


def test_samples_of_several_files(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(ELECTRODES)
    dataset = charz.read(
        tmp_path, "transfer", {"voltage": "@1..@2", "current": "Out", "x": "Input x"}, {"x": "1"}
    )
    assert dataset.sizes == {"sample": 4, "electrode": 2}
    assert dataset["record"].values.tolist() == [0, 0, 1, 1]
    assert dataset["x"].dims == ("sample",)


def test_several_columns_for_one_quantity_are_ambiguous(tmp_path):
    with pytest.raises(ReadError, match=r"column 'I \*' is ambiguous, 2 columns .* @2, @3"):
        sweep(tmp_path, "V (V),I a (A),I b (A)\n1,2,3\n", columns={"voltage": "V", "current": "I *"})


def test_numbers_as_names_of_devices(tmp_path):
    text = "588.000\t1\t2\n588\t2\t3\n7.5\t3\t4\n1e3\t4\t5\n"
    columns = {"device": "@1", "voltage": "@2", "current": "@3"}
    dataset = read(tmp_path, text, columns=columns, units={"voltage": "V", "current": "A"})
    assert dataset["device"].values.tolist() == ["588", "7.5", "1e3"]
    np.testing.assert_array_equal(dataset["voltage"][:, 0], [[1, 2], [3, NAN], [4, NAN]])
    named = read(
        tmp_path, text, columns=columns, units={"voltage": "V", "current": "A"}, device="chip {file}"
    )
    assert named["device"].values.tolist() == ["chip t 588", "chip t 7.5", "chip t 1e3"]


def test_a_column_of_cycles_wins_over_the_path(tmp_path):
    dataset = sweep(tmp_path, "V (V),I (A),n\n1,2,3\n1,2,4\n", columns={**COLUMNS, "cycle": "n"}, cycle="9")
    assert dataset["cycle"].values.tolist() == [3, 4]


def test_remarks_of_the_reader_do_not_say_where_the_file_lay(tmp_path):
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.active.title = "S"
    for row in (["V", "I"], ["0.5", 1], [1.5, "#REF"], [2.5, 3]):
        workbook.active.append(row)
    workbook.save(tmp_path / "b.xlsx")
    dataset = charz.read(
        tmp_path / "b.xlsx", "iv_sweep", COLUMNS, {"voltage": "V", "current": "A"}, where="current == current"
    )
    assert len(dataset.attrs["remarks"]) == 2
    assert all(remark.startswith("b.xlsx: ") for remark in dataset.attrs["remarks"])


def test_columns_that_were_not_used_are_named(tmp_path):
    dataset = sweep(tmp_path, "V (V),x,I (A),y (s)\n1,2,3,4\n2,3,4,5\n")
    assert dataset.attrs["unused_columns"] == ["x", "y"]


@pytest.mark.parametrize(
    ("keys", "error", "words"),
    [
        ({"where": "voltage > 9e9"}, ReadError, "--where 'voltage > 9e9' keeps none of the 4 rows"),
        (
            {"where": "voltag > 1"},
            ExpressionError,
            "t.csv: expression 'voltag > 1' uses 'voltag', .*did you mean",
        ),
        ({"where": "voltage"}, ExpressionError, "is a number, not yes or no"),
        (
            {"switched": "current > 1"},
            ReadError,
            "--switched makes counts of pulse_switching; iv_sweep has none",
        ),
        ({"mask": {"x": "V > 1"}}, ReadError, "mask of 'x', which is no column that is read"),
        ({"mask": {"voltage": "x > 1"}}, ExpressionError, "uses 'x', which is no column"),
        ({"derive": {"x": "voltage * zz"}}, ExpressionError, "uses 'zz', which is no column"),
        ({"derive": {"x": "log("}}, ExpressionError, "ends too early"),
        (
            {"derive": {"x": "voltage"}, "units": {"x": "mV"}},
            UnitError,
            "the derived 'x' is computed in SI.*not 'mV'",
        ),
        (
            {"derive": {"compliance": "current"}, "units": {"compliance": "mA"}},
            UnitError,
            "one of A; .*not 'mA'",
        ),
        ({"derive": {"x": "voltage"}, "units": {"x": "parsec per jiffy"}}, UnitError, "unit .* is unknown"),
        ({"expect": ["zz > 1"]}, ExpressionError, "uses 'zz', which is no column"),
        ({"expect": ["voltage"]}, ExpressionError, "is a number, not yes or no"),
        ({"constants": {"k": "five"}}, UnitError, "k = 'five' is not a number with a unit"),
        ({"constants": {"k": "5"}}, UnitError, "the unit of 'k' is stated nowhere"),
        ({"constants": {"compliance": "5 V"}}, UnitError, "unit 'V' of 'compliance' has the wrong dimension"),
        ({"columns": {"voltage": "V"}}, ReadError, "iv_sweep needs 'current'.*--column current=SOURCE"),
        ({"columns": {**COLUMNS, "x": "V"}}, UnitError, None),
        ({"units": {"zz": "V"}}, ReadError, "--unit zz=V belongs to no column"),
        (
            {"constants": {"k": "5 V"}, "where": "voltage > k"},
            ExpressionError,
            "'k', which is no column but known in SI",
        ),
        (
            {"derive": {"k": "voltage"}, "where": "k > 1"},
            ExpressionError,
            "'k', which is no column but known in SI",
        ),
        (
            {"derive": {"k": "voltage"}, "mask": {"voltage": "k > 1"}},
            ExpressionError,
            "write its number instead",
        ),
    ],
)
def test_what_is_refused(tmp_path, keys, error, words):
    if words is None:
        # A second name for a column takes the unit of its header.
        np.testing.assert_allclose(sweep(tmp_path, **keys)["x"][0, 0], [0, 0.5, 1, 1.5])
        return
    with pytest.raises(error, match=words) as caught:
        sweep(tmp_path, **keys)
    assert "\n" not in str(caught.value)


TRIALS = "amplitude (V),r,label\n1,5,a\n1,50,b\n2,,c\n"


@pytest.mark.parametrize(
    ("text", "keys", "error", "words"),
    [
        (TRIALS, {"switched": "r > 10"}, ReadError, r"line 4, column r \(r\): the cell is empty or NaN"),
        (TRIALS, {"switched": "s > 10"}, ExpressionError, "uses 's', which is no column"),
        (
            TRIALS,
            {"switched": "limit < r", "constants": {"limit": "9 ohm"}},
            ExpressionError,
            "known in SI only",
        ),
        (TRIALS, {"switched": "label > 10"}, ReadError, "line 2: 'a' is not a number"),
        (TRIALS, {}, ReadError, "pulse_switching needs the outcome of the pulses"),
        (
            TRIALS.replace("r,", "switched,"),
            {"where": "amplitude < 2"},
            SchemaError,
            "line 2: switched = 5; it must be 0",
        ),
        (
            "amplitude (V),num_trials,num_switched\n1,2,1\n",
            {"switched": "amplitude > 1"},
            ReadError,
            "both counts",
        ),
    ],
)
def test_outcomes_that_are_refused(tmp_path, text, keys, error, words):
    with pytest.raises(error, match=words):
        read(tmp_path, text, "pulse_switching", **keys)


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        ("V (V),I (A),cycle\n1,2,1\n", ReadError, "one dataset needs the same in every file"),
        ("V (V),I (A),field (T)\n1,2,1\n", None, None),
        ("field (T),signal (V)\n1,2\n", ReadError, r"b\.csv: has the columns|there is no column"),
    ],
)
def test_files_with_other_columns(tmp_path, second, error, words):
    (tmp_path / "a.csv").write_text("V (V),I (A),x\n1,2,3\n")
    (tmp_path / "b.csv").write_text(second)
    if error is None:
        dataset = charz.read(tmp_path, "iv_sweep", COLUMNS)
        assert dataset.sizes["device"] == 2
        return
    with pytest.raises(error, match=words):
        charz.read(tmp_path, "iv_sweep", COLUMNS)


def test_files_in_units_of_other_dimension(tmp_path):
    (tmp_path / "a.csv").write_text("field (T),signal (V)\n1,2\n")
    (tmp_path / "b.csv").write_text("field (Oe),signal (V)\n1,2\n")
    with pytest.raises(UnitError, match=r"b\.csv: field is in A/m, but in T in the first file"):
        charz.read(tmp_path, "hysteresis")


def test_a_record_that_would_be_mostly_padding(tmp_path):
    rows = [f"{n},1,1" for n in range(1500)] + ["0,1,1"] * 1500
    with pytest.raises(ReadError, match=r"3000 rows would be padded to 2\.25e\+06 cells .* = 1, 1500, 1501"):
        sweep(tmp_path, "\n".join(["cycle,V (V),I (A)", *rows]))


def test_a_column_that_the_reader_left_out_says_why(tmp_path):
    np.savez(tmp_path / "a.npz", V=np.arange(3.0), I=np.arange(3.0) * 1j)
    with pytest.raises(ReadError, match=r"column 'I' cannot be read: .*it is complex"):
        charz.read(tmp_path / "a.npz", "iv_sweep", COLUMNS, {"voltage": "V", "current": "A"})


def test_numbers_of_an_expression():
    expression = parse("2 * x > y")
    found = expression.numbers({"x": np.array([1.0, 3.0]), "y": np.array([3.0, 3.0])}, 2)
    np.testing.assert_array_equal(found, [0.0, 1.0])
    assert parse("7").numbers({}, 3).tolist() == [7.0, 7.0, 7.0]
    with pytest.raises(ExpressionError, match="uses 'y', which is no column"):
        expression.numbers({"x": np.array([1.0, 3.0])}, 2)
