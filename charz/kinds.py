"""The eight experiment kinds: dims, variables and SI units of each, as one table."""

import difflib
from dataclasses import dataclass
from typing import Literal

from charz.errors import SchemaError

DRIVE = ("V", "A", "A/m", "T")
# What a retention record may follow.
RETAINED = ("resistance", "conductance", "error_rate")
FLAG_NONE, FLAG_LEFT, FLAG_RIGHT, FLAG_INTERVAL = range(4)


@dataclass(frozen=True)
class Variable:
    """One variable of a kind.

    Parameters
    ----------
    name, long_name : str
    dims : tuple of str
        A subset of the kind's dims, in their order.
    units : tuple of str
        Canonical SI units it may have; ``("1",)`` has no dimension.
    required : bool
    values : {"float", "integer"}
        ``float`` may be NaN where a ragged table is padded.
    arbitrary : bool
        Whether the unit may be ``arb`` (not known).
    increasing : str, optional
        Dimension along which the values must increase.
    positive : bool
        Whether every value must be above zero.
    """

    name: str
    long_name: str
    dims: tuple[str, ...]
    units: tuple[str, ...]
    required: bool = False
    values: Literal["float", "integer"] = "float"
    arbitrary: bool = False
    increasing: str | None = None
    positive: bool = False


@dataclass(frozen=True)
class Kind:
    """One experiment kind: its dims in order, its variables, and those of which one must be there."""

    name: str
    summary: str
    dims: tuple[str, ...]
    variables: tuple[Variable, ...]
    one_of: tuple[str, ...] = ()

    def variable(self, name: str) -> Variable | None:
        """Return the variable of that name, or None."""
        return next((variable for variable in self.variables if variable.name == name), None)


_SETTING = ("device", "setting")
_CYCLE = ("device", "cycle")
_TIME = ("device", "time")
_PULSE = ("device", "cycle", "pulse")
_POINT = ("device", "cycle", "point")

_ELAPSED = Variable("elapsed", "time since the start of the record", _TIME, ("s",), increasing="time")

_ALL = (
    Kind(
        "pulse_switching",
        "counts of switching at single pulses",
        _SETTING,
        (
            Variable("amplitude", "pulse amplitude", _SETTING, DRIVE, required=True, arbitrary=True),
            Variable("width", "pulse width", _SETTING, ("s",), positive=True),
            Variable("num_trials", "number of pulses", _SETTING, ("1",), required=True, values="integer"),
            Variable(
                "num_switched", "number that switched", _SETTING, ("1",), required=True, values="integer"
            ),
            Variable("initial_state", "state before the pulse", _SETTING, ("1",)),
        ),
    ),
    Kind(
        "ramp_switching",
        "thresholds of ramps",
        _CYCLE,
        (
            Variable("threshold", "drive at switching", _CYCLE, DRIVE, required=True, arbitrary=True),
            Variable(
                "censored", "censoring: 0 none, 1 left, 2 right, 3 interval", _CYCLE, ("1",), values="integer"
            ),
            Variable("lower", "lower bound of an interval-censored threshold", _CYCLE, DRIVE, arbitrary=True),
            Variable("upper", "upper bound of an interval-censored threshold", _CYCLE, DRIVE, arbitrary=True),
            Variable("ramp_rate", "ramp rate", _CYCLE, ("V/s", "A/s", "A/m/s", "T/s"), positive=True),
        ),
    ),
    Kind(
        "telegraph",
        "random telegraph signals",
        _TIME,
        (
            Variable("signal", "signal", _TIME, ("V", "A", "ohm", "S"), required=True, arbitrary=True),
            # Absent where unknown: rates are then per sample.
            Variable("sample_interval", "time between samples", ("device",), ("s",), positive=True),
            Variable("drive", "drive during the record", ("device",), DRIVE, arbitrary=True),
            Variable("temperature", "temperature during the record", ("device",), ("K",), positive=True),
            _ELAPSED,
        ),
    ),
    Kind(
        "pulse_train",
        "conductance after each programming pulse",
        _PULSE,
        (
            Variable("conductance", "conductance after the pulse", _PULSE, ("S",), required=True),
            Variable("polarity", "+1 potentiation, -1 depression", _PULSE, ("1",)),
            Variable("amplitude", "pulse amplitude", _PULSE, DRIVE),
            Variable("width", "pulse width", _PULSE, ("s",), positive=True),
        ),
    ),
    Kind(
        "iv_sweep",
        "current-voltage sweeps",
        _POINT,
        (
            Variable("voltage", "voltage", _POINT, ("V",), required=True),
            Variable("current", "current", _POINT, ("A",), required=True),
            Variable("compliance", "current compliance", _CYCLE, ("A",), positive=True),
        ),
    ),
    Kind(
        "retention",
        "drift of an untouched state",
        _TIME,
        (
            Variable("elapsed", _ELAPSED.long_name, _TIME, ("s",), required=True, increasing="time"),
            Variable("resistance", "resistance", _TIME, ("ohm",)),
            Variable("conductance", "conductance", _TIME, ("S",)),
            Variable("error_rate", "bit error rate", _TIME, ("1",)),
        ),
        one_of=RETAINED,
    ),
    Kind(
        "transfer",
        "output current of a material against its control voltages",
        ("sample", "electrode"),
        (
            Variable("voltage", "control voltage", ("sample", "electrode"), ("V",), required=True),
            Variable("current", "output current", ("sample",), ("A",), required=True),
        ),
    ),
    Kind(
        "hysteresis",
        "loops of a signal against a swept field",
        _POINT,
        (
            Variable("field", "swept drive", _POINT, DRIVE, required=True, arbitrary=True),
            Variable(
                "signal",
                "signal",
                _POINT,
                ("V", "A", "ohm", "S", "A/m", "T", "1"),
                required=True,
                arbitrary=True,
            ),
        ),
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def kind_named(name: str) -> Kind:
    """Look a kind up.

    Raises
    ------
    SchemaError
        When there is no such kind.
    """
    if name in KINDS:
        return KINDS[name]
    close = difflib.get_close_matches(str(name), KINDS, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise SchemaError(f"experiment {name!r} is no kind that charz knows{hint} Valid: {', '.join(KINDS)}")
