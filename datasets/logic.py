"""The sixteen logic functions of two inputs: truth tables, names, and the voltages that stand for the inputs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from charz.errors import CharzError

# Order of the cases everywhere: first input slow, second fast.
INPUTS = ((0, 0), (0, 1), (1, 0), (1, 1))


class LogicFunction(NamedTuple):
    """Name and output for the inputs 00, 01, 10, 11."""

    name: str
    outputs: tuple[int, int, int, int]

    @property
    def is_constant(self) -> bool:
        """Whether the output does not depend on the inputs: there is nothing to separate."""
        return len(set(self.outputs)) == 1

    @property
    def is_linearly_separable(self) -> bool:
        """Whether one threshold neuron can do it: all but XOR and XNOR."""
        return self.name not in ("XOR", "XNOR")


# In the order of their truth tables read as binary numbers, 0000 to 1111.
FUNCTIONS = (
    LogicFunction("FALSE", (0, 0, 0, 0)),
    LogicFunction("AND", (0, 0, 0, 1)),
    LogicFunction("A AND NOT B", (0, 0, 1, 0)),
    LogicFunction("A", (0, 0, 1, 1)),
    LogicFunction("B AND NOT A", (0, 1, 0, 0)),
    LogicFunction("B", (0, 1, 0, 1)),
    LogicFunction("XOR", (0, 1, 1, 0)),
    LogicFunction("OR", (0, 1, 1, 1)),
    LogicFunction("NOR", (1, 0, 0, 0)),
    LogicFunction("XNOR", (1, 0, 0, 1)),
    LogicFunction("NOT B", (1, 0, 1, 0)),
    LogicFunction("A OR NOT B", (1, 0, 1, 1)),
    LogicFunction("NOT A", (1, 1, 0, 0)),
    LogicFunction("B OR NOT A", (1, 1, 0, 1)),
    LogicFunction("NAND", (1, 1, 1, 0)),
    LogicFunction("TRUE", (1, 1, 1, 1)),
)
# The six of Boon et al. (2025), in the usual order.
GATE_NAMES = ("AND", "OR", "NAND", "NOR", "XOR", "XNOR")


def logic_function(name: str) -> LogicFunction:
    """Look up a function by its name, whatever the case of the letters.

    Raises
    ------
    CharzError
        For an unknown name.
    """
    found = next((function for function in FUNCTIONS if function.name == name.upper()), None)
    if found is None:
        known = ", ".join(function.name for function in FUNCTIONS)
        raise CharzError(f"logic function {name!r} is not known; two inputs have sixteen: {known}")
    return found


def gates() -> tuple[LogicFunction, ...]:
    """The six gates AND, OR, NAND, NOR, XOR, XNOR."""
    return tuple(logic_function(name) for name in GATE_NAMES)


def logic_voltages(low: float = -0.9, high: float = 0.9) -> Float[np.ndarray, "4 2"]:
    """Voltages of the two inputs in the four cases, in V.

    Parameters
    ----------
    low, high : float
        Voltages of 0 and 1. The default ±0.9 V is charz's choice; Boon et al. (2025) take 0 and 1.8 V plus an
        offset, of 0 V (their code of 2020) or -1.2 V (2019).

    Returns
    -------
    array (case, input)
        In the order 00, 01, 10, 11.

    Raises
    ------
    CharzError
        When both voltages are the same, or one is not finite.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low != high):
        raise CharzError(
            f"low is {low} V and high {high} V; they must be finite, and differ to stand for 0 and 1"
        )
    return np.where(np.asarray(INPUTS) == 1, high, low).astype(float)


def truth_table(functions: tuple[LogicFunction, ...]) -> np.ndarray:
    """Outputs of several functions, integers of shape (function, case)."""
    return np.array([function.outputs for function in functions])
