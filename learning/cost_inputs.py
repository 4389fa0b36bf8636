r"""Inputs of an energy as a TOML file: what a read, a pulse and each event outside the array cost, with units.

.. code-block:: toml

    [cell]
    conductance = ["2 uS", "20 uS"]  # a range: draws spread evenly over it, and the energy has an interval
    read_voltage = "0.1 V"
    read_time = "10 ns"
    write_voltage = "1 V"
    pulse_width = "10 ns"            # of pulses whose width was not counted
    [periphery]
    driver = "10 fJ"
    comparator = "30 fJ"
    adc = "2 pJ"
    dac = "0.5 pJ"

What is not stated is drawn from the posterior where it knows, and otherwise assumed; each input says which.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charz.errors import TrainError, UnitError
from charz.learning.cost import Cell, Periphery
from charz.toml_files import read_toml
from charz.units import parse_quantity

CELL_UNITS = {
    "conductance": "S", "read_voltage": "V", "read_time": "s", "write_voltage": "V", "pulse_width": "s",
}  # fmt: skip
PERIPHERY_UNITS = dict.fromkeys(("driver", "comparator", "adc", "dac"), "J")
SECTIONS = {"cell": CELL_UNITS, "periphery": PERIPHERY_UNITS}
STATED, ASSUMED = "stated", "assumed"


class Input(NamedTuple):
    """One input: draws (draw,) or a number, its unit, and where it comes from."""

    name: str
    values: NDArray[np.floating]
    unit: str
    origin: str


class CostInputs(NamedTuple):
    """Everything that turns counted events into joules, with the origin of each number."""

    cell: Cell
    periphery: Periphery
    table: tuple[Input, ...]


def cost_inputs(
    path: Path | str | None,
    posterior: Mapping[str, ArrayLike] | None = None,
    *,
    origin: str = "posterior",
    num_draws: int,
    seed: int = 0,
) -> CostInputs:
    """Inputs from a file, else from a posterior, else as assumed.

    Parameters
    ----------
    path : path or None
        TOML file; None states nothing.
    posterior : mapping, optional
        Draws (draw,), in SI, of cell inputs that fitted devices know.
    origin : str
        Where these come from, for the table.
    num_draws : int
        Draws of an input that is stated as a range.
    seed : int
        Of these draws; ranges are independent of each other.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    TrainError
        For a file, section, name or value that is not valid, or without any conductance.
    """
    stated, known = _stated(path), dict(posterior or {})
    random = np.random.default_rng(seed)
    rows = []
    for section, units in SECTIONS.items():
        defaults = {field.name: field.default for field in fields(Cell if section == "cell" else Periphery)}
        for name, unit in units.items():
            if name in stated[section]:
                low, high = stated[section][name]
                values = np.asarray(low) if low == high else random.uniform(low, high, num_draws)
                rows.append(Input(name, values, unit, STATED))
            elif section == "cell" and name in known:
                rows.append(Input(name, np.asarray(known[name], float), unit, origin))
            elif name == "conductance":
                raise TrainError(
                    "no conductance: the energy of a read is V²Gt; state it in --inputs FILE.toml"
                    ' ([cell] conductance = "10 uS"), or give --device with a posterior of pulse_train data'
                )
            else:
                rows.append(Input(name, np.asarray(defaults[name], float), unit, ASSUMED))
    found = {row.name: row.values for row in rows}
    return CostInputs(
        Cell(**{name: found[name] for name in CELL_UNITS}),  # type: ignore[arg-type]  # devices is not among them
        Periphery(**{name: found[name] for name in PERIPHERY_UNITS}),
        tuple(rows),
    )


def _stated(path: Path | str | None) -> dict[str, dict[str, tuple[float, float]]]:
    """What a file says, in SI, as lowest and highest value, by section and name."""
    if path is None:
        return {section: {} for section in SECTIONS}
    path = Path(path)
    content = read_toml(path, TrainError)
    if unknown := sorted(set(content) - set(SECTIONS)):
        raise TrainError(f"{path}: section {unknown[0]!r} is not known; there are [cell] and [periphery]")
    return {
        section: {
            name: _range(path, section, name, text) for name, text in _table(path, section, content).items()
        }
        for section in SECTIONS
    }


def _table(path: Path, section: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    table = content.get(section, {})
    if not isinstance(table, dict):
        raise TrainError(
            f"{path}: {section} is {table!r}; it must be a section, [{section}], of named inputs"
        )
    if unknown := sorted(set(table) - set(SECTIONS[section])):
        raise TrainError(
            f"{path}: {section}.{unknown[0]} is not known; [{section}] has {', '.join(SECTIONS[section])}"
        )
    return table


def _range(path: Path, section: str, name: str, said: Any) -> tuple[float, float]:
    """Lowest and highest value; the same where one is stated."""
    unit = SECTIONS[section][name]
    ends = said if isinstance(said, list) else [said, said]
    if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
        raise TrainError(
            f"{path}: {section}.{name} is {said!r}; it must be a number with its unit in quotes, as in"
            f' "1 {unit}", or a list of two, lowest and highest'
        )
    try:
        low, high = (parse_quantity(end, f"{section}.{name}", (unit,))[0] for end in ends)
    except UnitError as error:
        raise TrainError(f"{path}: {error}") from error
    if not 0 <= low <= high:
        raise TrainError(
            f"{path}: {section}.{name} is {said!r}; it must be 0 or more, the lowest value first"
        )
    return low, high
