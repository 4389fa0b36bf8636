"""Expressions: the same answers as NumPy's own operators, and one kind of error for everything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charz.errors import ExpressionError
from charz.expressions import MAX_DEPTH, MAX_LENGTH, parse

X = np.array([-1.0, 0.0, 1.5, 20e3, np.nan])
Y = np.array([2.0, 0.0, 1.0, 3.0, 1.0])
COLUMNS = {"x": X, "y": Y, "switched": np.array([0.0, 1.0, 1.0, 0.0, 1.0]), "Größe_1": Y}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x < 20e3", X < 20e3),
        ("x<=1.5", X <= 1.5),
        ("x == x", X == X),
        ("x != y", X != Y),
        ("0 < x < 30e3", (X > 0) & (X < 30e3)),
        ("x > 0 and y > 0 or y == 0", (X > 0) & (Y > 0) | (Y == 0)),
        ("not x > 0", ~(X > 0)),
        ("not (x > 0 or y > 0)", ~((X > 0) | (Y > 0))),
        ("-x ** 2 < -1", -(X**2) < -1),
        ("2 ** -1 * y > .5", 0.5 * Y > 0.5),
        ("(x + y) * 2 / 4 - 1 >= +y", (X + Y) * 2 / 4 - 1 >= Y),
        ("2 - 1 - 1 == 0", np.ones(5, bool)),
        ("x / y > 1", np.array([False, False, True, True, False])),
        ("switched", COLUMNS["switched"] == 1),
        ("not switched", COLUMNS["switched"] == 0),
        ("switched and x > 0", (COLUMNS["switched"] == 1) & (X > 0)),
        ("Größe_1 > 1E0", Y > 1),
        ("10 ** 10 ** 10 > y", np.ones(5, bool)),
    ],
)
def test_equals_numpy(text, expected):
    np.testing.assert_array_equal(parse(text).mask(COLUMNS, 5), expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("x <", "ends too early"),
        ("x < 1)", "did not expect '\\)'"),
        ("(x < 1", "not closed"),
        ("x = 1", "write =="),
        ("x < 1 & y < 1", "write 'and'"),
        ("x < 1 | y < 1", "write 'or'"),
        ("!x", "write 'not'"),
        ("__import__('os').system('true')", "like a function|cannot read"),
        ("sin(x) > 1", "called like a function"),
        ("abs(x, 1) > 1", "abs takes 1 value, not 2"),
        ("if(x > 1, 2) > 1", "if takes 3 values, not 2"),
        ("abs(x > 1", "not closed"),
        ("x.real > 1", "cannot read '.real"),
        ("x[0] > 1", "cannot read"),
        ("x < 1_000", "cannot read"),
        ("x < 1.2.3", "cannot read"),
        ("x < 'a'", "cannot read"),
        ("and", "did not expect 'and'"),
        ("x < * 2", "did not expect '\\*'"),
        ("lambda: 1", "cannot read|did not expect"),
        ("1 +" + "x +" * 300 + " 1", "too long"),
        ("(" * 60 + "x" + ")" * 60, "nested"),
        ("not " * 60 + "x", "nested"),
        ("-" * 60 + "x", "nested"),
    ],
)
def test_what_is_no_expression(text, words):
    with pytest.raises(ExpressionError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("r_aftr < 1", "'r_aftr', which is no column; did you mean 'r_after'.*--column r_aftr=SOURCE"),
        ("zzz < 1", "Known names: x, r_after"),
        ("x + 1", "is a number, not yes or no"),
        ("x and r_after > 0", "joins a number"),
        ("not x", "joins a number"),
        ("(x < 1) + 1 > 0", "computes with or compares a yes/no"),
        ("1 < (x < 2)", "computes with or compares a yes/no"),
    ],
)
def test_what_cannot_be_evaluated(text, words):
    with pytest.raises(ExpressionError, match=words):
        parse(text).mask({"x": X, "r_after": X}, 5)


def test_names_in_order_of_appearance():
    assert parse("b < a and b > 1 or not c").names == ("b", "a", "c")


def test_the_longest_expression_does_not_exhaust_the_stack():
    longest = "+".join(["x"] * (MAX_LENGTH // 2 - 2)) + "<1"
    assert parse(longest).mask({"x": X}, 5).shape == (5,)
    deepest = "(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH + "<1"
    assert parse(deepest).mask({"x": X}, 5).shape == (5,)


TOKENS = [
    "x",
    "y",
    "1",
    "2e3",
    ".5",
    "<",
    "<=",
    "==",
    "!=",
    "+",
    "-",
    "*",
    "/",
    "**",
    "(",
    ")",
    "and",
    "or",
    "not",
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join)))
def test_nothing_but_an_expression_error_is_raised(text):
    try:
        mask = parse(text).mask({"x": X, "y": Y}, 5)
    except ExpressionError as error:
        assert "expression" in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert mask.dtype == bool
        assert mask.shape == (5,)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
def test_agrees_with_python_where_both_accept(text):
    x, y = 1.5, 3.0
    try:
        ours = bool(parse(text).mask({"x": np.array([x]), "y": np.array([y])}, 1)[0])
    except ExpressionError:
        return
    with np.errstate(all="ignore"):
        theirs = eval(text, {"__builtins__": {}}, {"x": np.float64(x), "y": np.float64(y)})
    assert ours == bool(theirs)
