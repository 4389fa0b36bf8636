import numpy as np
import pytest

from charz.datasets.logic import FUNCTIONS, INPUTS, gates, logic_function, logic_voltages, truth_table
from charz.errors import CharzError

MEANING = {
    "AND": lambda a, b: a and b,
    "OR": lambda a, b: a or b,
    "NAND": lambda a, b: not (a and b),
    "NOR": lambda a, b: not (a or b),
    "XOR": lambda a, b: a != b,
    "XNOR": lambda a, b: a == b,
    "A": lambda a, b: a,
    "NOT B": lambda a, b: not b,
    "A AND NOT B": lambda a, b: a and not b,
    "B AND NOT A": lambda a, b: b and not a,
    "A OR NOT B": lambda a, b: a or not b,
    "B OR NOT A": lambda a, b: b or not a,
}


def test_all_sixteen_are_there_once_in_order():
    numbers = [int("".join(map(str, function.outputs)), 2) for function in FUNCTIONS]
    assert numbers == list(range(16))
    assert len({function.name for function in FUNCTIONS}) == 16
    assert [function.name for function in FUNCTIONS if function.is_constant] == ["FALSE", "TRUE"]


@pytest.mark.parametrize("name", MEANING)
def test_outputs_are_what_the_name_says(name):
    expected = tuple(int(bool(MEANING[name](*pair))) for pair in INPUTS)
    assert logic_function(name.lower()).outputs == expected


def test_separable_functions_have_a_separating_plane():
    # Exhaustive over the small weights that suffice for two inputs.
    corners = np.asarray(INPUTS)
    weights = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1.5, -0.5, 0.5, 1.5)]
    planes = {tuple((corners @ (a, b) + c > 0).astype(int)) for a, b, c in weights}
    assert {f.name for f in FUNCTIONS if f.is_linearly_separable} == {
        f.name for f in FUNCTIONS if f.outputs in planes
    }


def test_gates_and_tables():
    assert [gate.name for gate in gates()] == ["AND", "OR", "NAND", "NOR", "XOR", "XNOR"]
    np.testing.assert_array_equal(truth_table(gates())[4], [0, 1, 1, 0])
    assert truth_table(FUNCTIONS).shape == (16, 4)


def test_voltages_follow_the_inputs():
    np.testing.assert_array_equal(logic_voltages(), [[-0.9, -0.9], [-0.9, 0.9], [0.9, -0.9], [0.9, 0.9]])
    np.testing.assert_allclose(logic_voltages(-1.2, 0.6)[1], [-1.2, 0.6])


def test_unknown_names_and_equal_voltages_are_refused():
    with pytest.raises(CharzError, match="'MAYBE' is not known; two inputs have sixteen: FALSE, AND"):
        logic_function("MAYBE")
    with pytest.raises(CharzError, match=r"low is 0\.5 V and high 0.5 V"):
        logic_voltages(0.5, 0.5)
    with pytest.raises(CharzError, match="must be finite"):
        logic_voltages(-0.9, np.inf)
