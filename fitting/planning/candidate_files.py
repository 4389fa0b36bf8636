r"""Candidate measurements as a TOML file, with what each costs.

.. code-block:: toml

    [cost]                                # of all candidates
    per_device = "10 min"                 # to contact a device
    per_setting = "20 s"                  # per_cycle, per_pulse, per_time where data have these
    per_trial = "0.1 s"

    [candidates.more-wires]
    devices = 8                           # new ones, measured as those before

    [candidates.flank]
    devices = "measured"                  # all of them again; or a list of names
    amplitude = ["0.9 V", "1.0 V"]        # at these settings; left out: at those of before
    trials = 200
"""

from pathlib import Path
from typing import Any, NoReturn

from charz.errors import FitError, UnitError
from charz.fitting.contract import Observations
from charz.fitting.planning.contract import Candidate, Cost
from charz.fitting.planning.outcomes import counts_trials
from charz.toml_files import read_toml
from charz.units import ARBITRARY, parse_quantity

MEASURED = "measured"
SETTINGS = ("amplitude", "width")
KEYS = ("devices", *SETTINGS, "trials", "repeats")


def load_candidates(path: Path | str, observations: Observations) -> list[Candidate]:
    """Read candidates and their costs.

    Parameters
    ----------
    path : path
    observations : Observations
        Of the posterior: its units, devices and axes.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    FitError
        For a file, section, key, number or unit that is not valid; the message says what is.
    """
    path = Path(path)
    content = read_toml(path, FitError)
    if unknown := sorted(set(content) - {"cost", "candidates"}):
        _refuse(path, f"section {unknown[0]!r} is not known; there are [cost] and [candidates.NAME]")
    tables = content.get("candidates")
    if not isinstance(tables, dict) or not tables:
        _refuse(
            path, "there is no candidate; add a section [candidates.NAME] for each measurement to choose from"
        )
    cost = _cost(path, content.get("cost"), observations)
    return [_candidate(path, name, table, cost, observations) for name, table in tables.items()]


def _cost(path: Path, table: Any, observations: Observations) -> Cost:
    one = observations.dims[-1]
    keys = {"per_device": "per_device", f"per_{one}": "per_outcome"}
    if counts_trials(observations):
        keys["per_trial"] = "per_trial"
    if not isinstance(table, dict) or not table:
        _refuse(path, f"what is measured costs time: add a section [cost] with some of {', '.join(keys)}")
    if unknown := sorted(set(table) - set(keys)):
        _refuse(path, f"cost.{unknown[0]} is not known; [cost] has {', '.join(keys)}")
    cost = Cost(**{keys[key]: _quantity(path, f"cost.{key}", said, "s") for key, said in table.items()})
    if cost == Cost():
        _refuse(path, "every cost is 0; gain per hour needs some time to divide by")
    return cost


def _candidate(path: Path, name: str, table: Any, cost: Cost, observations: Observations) -> Candidate:
    if not isinstance(table, dict):
        _refuse(path, f"candidates.{name} is {table!r}; it must be a section, [candidates.{name}]")
    if unknown := sorted(set(table) - set(KEYS)):
        _refuse(path, f"candidates.{name}.{unknown[0]} is not known; a candidate has {', '.join(KEYS)}")
    if "devices" not in table:
        _refuse(
            path,
            f"candidates.{name} does not say devices: a number of new ones, {MEASURED!r}, or a list of names",
        )
    settings = {
        key: tuple(
            _quantity(path, f"candidates.{name}.{key}", said, observations.units.get(key, "s"))
            for said in _listed(path, f"candidates.{name}.{key}", table[key])
        )
        for key in SETTINGS
        if key in table
    }
    numbers = {
        what: _number(path, f"candidates.{name}.{key}", table[key])
        for key, what in (("trials", "num_trials"), ("repeats", "repeats"))
        if key in table
    }
    devices = _devices(path, name, table["devices"], observations)
    return Candidate(name, devices, cost, settings, **numbers)


def _devices(path: Path, name: str, said: Any, observations: Observations) -> int | tuple[str, ...]:
    if said == MEASURED:
        return observations.devices
    if isinstance(said, list) and said and all(isinstance(one, str) for one in said):
        if unknown := [one for one in said if one not in observations.devices]:
            _refuse(
                path,
                f"candidates.{name}.devices names {unknown[0]!r}, which was not measured; there are"
                f" {', '.join(observations.devices)}",
            )
        return tuple(dict.fromkeys(said))
    return _number(
        path, f"candidates.{name}.devices", said, f", {MEASURED!r}, or a list of names of measured ones"
    )


def _number(path: Path, key: str, said: Any, more: str = "") -> int:
    if not isinstance(said, int) or isinstance(said, bool) or said < 1:
        _refuse(path, f"{key} is {said!r}; it must be a whole number of at least 1{more}")
    return said


def _listed(path: Path, key: str, said: Any) -> list[Any]:
    if not isinstance(said, list) or not said:
        _refuse(path, f"{key} is {said!r}; it must be a list of settings")
    return said


def _quantity(path: Path, key: str, said: Any, unit: str) -> float:
    """One value in SI; of a drive whose unit is not known a plain number."""
    if unit in (ARBITRARY, "1"):
        if not isinstance(said, int | float) or isinstance(said, bool):
            _refuse(path, f"{key} is {said!r}; the data have no unit there, so it must be a plain number")
        return float(said)
    if not isinstance(said, str):
        _refuse(path, f'{key} is {said!r}; it must be a number with its unit in quotes, as in "1 {unit}"')
    try:
        value, _ = parse_quantity(said, key, (unit,))
    except UnitError as error:
        raise FitError(f"{path}: {error}") from error
    if unit == "s" and value < 0:
        _refuse(path, f"{key} is {said!r}; a time cannot be negative")
    return value


def _refuse(path: Path, reason: str) -> NoReturn:
    raise FitError(f"{path}: {reason}")


def described(candidate: Candidate, observations: Observations) -> str:
    """Say a candidate in a few words, for tables."""
    number = candidate.num_devices
    every = not candidate.new and number == len(observations.devices)
    which = "new" if candidate.new else "measured"
    words = [
        f"all {number} measured devices" if every else f"{number} {which} device{'s' if number > 1 else ''}"
    ]
    for name, values in candidate.settings.items():
        unit = observations.units.get(name, "s")
        words.append(f"{name} {_span(values)}" + ("" if unit in (ARBITRARY, "1") else f" {unit}"))
    if not candidate.settings:
        words.append("as before")
    if candidate.num_trials is not None:
        words.append(f"{candidate.num_trials} trials")
    if candidate.repeats > 1:
        words.append(f"{candidate.repeats} times")
    return ", ".join(words)


def _span(values: tuple[float, ...]) -> str:
    if len(values) == 1:
        return f"{values[0]:g}"
    return f"{min(values):g} to {max(values):g} ({len(values)} settings)"
