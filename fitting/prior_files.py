r"""Priors as a TOML file that a user can read, edit and give back, with a unit beside every number.

.. code-block:: toml

    [priors.location]          # linked or natural name of a parameter
    family = "normal"          # mean, sd
    mean = 1.6
    sd = 0.1
    unit = "V"                 # converted (mV, kV, ...); must be stated where the parameter has one

    [priors.width]             # the same as log_width
    family = "log-normal"      # median, factor: one standard deviation of the logarithm, as a factor
    median = 10
    factor = 2
    unit = "mV"

    [priors.log_width_sd]      # spread between devices, of a logarithm
    family = "half-normal"     # scale, or factor = exp(scale)
    factor = 1.4

A log-normal prior of x is a normal prior of :math:`\ln x` with mean :math:`\ln` median and standard deviation
:math:`\ln` factor. What is not named keeps its default.
"""

import difflib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.prior_sites import Site, converted, prior_sites
from charz.fitting.priors import Prior
from charz.toml_files import read_toml
from charz.units import DIMENSIONLESS

# Keys of each family. Of a log-normal the spread, and of a half-normal the scale, is given as a factor.
KEYS = {
    "normal": ("mean", "sd"),
    "log-normal": ("median", "factor"),
    "logit-beta": ("a", "b"),
    "half-normal": ("scale",),
    "half-normal of a logarithm": ("factor",),
}
ABOVE_ZERO = ("sd", "median", "a", "b", "scale")


def load_priors(path: Path | str, model: Model, observations: Observations, pool: str) -> dict[str, Prior]:
    """Read the priors that a TOML file states for a model.

    Parameters
    ----------
    path : path
    model : Model
    observations : Observations
        Their units are those of the parameters.
    pool : str
        Only a hierarchical fit has spreads.

    Returns
    -------
    dict
        By linked name and ``{linked}_sd``, in the units of the parameters; only those that the file names.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    FitError
        For a file, a name, a family, a key, a number or a unit that is not valid; the message says what is.
    """
    path, sites = Path(path), prior_sites(model, observations, pool)
    found: dict[str, Prior] = {}
    for key, table in _tables(path).items():
        name = _site_name(path, key, sites, model, pool)
        if name in found:
            _refuse(path, key, f"{name} is stated twice in this file; leave one of the two sections")
        found[name] = _Section(path, key, table, sites[name]).prior()
    return found


def priors_toml(priors: Mapping[str, Prior], model: Model, observations: Observations) -> str:
    """Write priors as TOML that `load_priors` reads back.

    Parameters
    ----------
    priors : mapping
        By linked name and ``{linked}_sd``, as `charz.fitting.prior_table.priors_for` gives them.
    model : Model
    observations : Observations
    """
    hierarchical = prior_sites(model, observations, "hierarchical")
    head = f"# Priors of model {model.name!r}. Edit, then: charz fit DATA.nc --model {model.name} --priors THIS.toml\n"
    return head + "".join(_written(hierarchical[name], prior) for name, prior in priors.items())


def _written(site: Site, prior: Prior) -> str:
    """One section of the file."""
    values: dict[str, str | float] = {"family": prior.family}
    if site.is_log and prior.family == "half-normal":
        values["factor"] = math.exp(prior.constants[0])
    elif site.is_log:
        mean, sd = prior.constants
        values |= {
            "family": "log-normal",
            "median": math.exp(mean),
            "factor": math.exp(sd),
            "unit": site.unit,
        }
    else:
        values |= dict(zip(KEYS[prior.family], prior.constants, strict=True))
        if site.scale_unit != DIMENSIONLESS:
            values["unit"] = site.scale_unit
    key = site.name if re.fullmatch(r"[A-Za-z0-9_-]+", site.name) else json.dumps(site.name)
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(["", f"[priors.{key}]  # {site.meaning}", *lines, ""])


def _tables(path: Path) -> dict[str, Any]:
    """Sections of the file by the name after ``priors.``."""
    content = read_toml(path, FitError)
    others = sorted(set(content) - {"priors"})
    tables = content.get("priors")
    if others or not isinstance(tables, dict) or not tables:
        found = f"found {', '.join(others)}" if others else "found none"
        raise FitError(f"{path}: every section of a file of priors is called [priors.NAME]; {found}")
    return tables


def _site_name(path: Path, key: str, sites: Mapping[str, Site], model: Model, pool: str) -> str:
    """Name of the prior that a section states: as written, or from the natural name of the parameter."""
    by_natural = {site.parameter.name: name for name, site in sites.items() if not site.spread}
    name = key if key in sites else by_natural.get(key, key)
    if name in sites:
        return name
    if key in {f"{p.linked_name}_sd" for p in model.free}:
        reason = (
            "all devices share this parameter"
            if pool == "hierarchical"
            else f"pool {pool!r} has no population"
        )
        _refuse(path, key, f"is a spread between devices, but {reason}; leave the section out")
    close = difflib.get_close_matches(key, [*sites, *by_natural], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return _refuse(path, key, f"model {model.name!r} has no such prior{hint}; there are {', '.join(sites)}")


def _refuse(path: Path, key: str, reason: str) -> NoReturn:
    raise FitError(f"{path}: [priors.{key}]: {reason}")


class _Section:
    """One section of the file while it is read; `refuse` names it in every message."""

    def __init__(self, path: Path, key: str, table: Any, site: Site) -> None:
        self.path, self.key, self.site = path, key, site
        if not isinstance(table, dict):
            self.refuse(f"= {table!r} is no section; write family, numbers and unit below [priors.{key}]")
        self.table: dict[str, Any] = table

    def refuse(self, reason: str) -> NoReturn:
        """Raise with the place in front."""
        _refuse(self.path, self.key, reason)

    def prior(self) -> Prior:
        """Prior on the scale of its variable, in the unit of the parameter."""
        family, site = self._family(), self.site
        names = self._names(family)
        values = {name: self._number(name) for name in names}
        constants = tuple(values.values())
        if names == ("factor",):
            self._converted([1.0], DIMENSIONLESS)  # a unit of a factor is an error
            constants = (math.log(values["factor"]),)
        elif family == "log-normal":
            (median,) = self._converted([values["median"]], site.unit)
            constants = (math.log(median), math.log(values["factor"]))
        elif family == "normal" and site.is_log:
            constants = (self._log_mean(values["mean"]), values["sd"])
        elif site.scale_unit != DIMENSIONLESS or "unit" in self.table:
            # A spread is a difference: where the unit has an offset (degC), it does not count.
            zero, *moved = self._converted([0.0, *constants], site.scale_unit)
            constants = tuple(v if n == "mean" else v - zero for n, v in zip(names, moved, strict=True))
        return Prior("normal" if family == "log-normal" else family, constants, site.scale_unit)

    def _family(self) -> str:
        if "family" not in self.table:
            self.refuse(f"the family is missing; write family = {json.dumps(self.site.families[0])}")
        family = self.table["family"]
        if family not in self.site.families:
            what = "a spread" if self.site.spread else f"{self.site.parameter.name}"
            self.refuse(
                f"family = {family!r} does not suit {what}; valid is {' or '.join(self.site.families)}"
            )
        return family

    def _names(self, family: str) -> tuple[str, ...]:
        """Names of the numbers that the family needs."""
        as_factor = self.site.spread and self.site.is_log and "scale" not in self.table
        names = KEYS["half-normal of a logarithm" if as_factor else family]
        missing = [name for name in names if name not in self.table]
        unknown = [name for name in self.table if name not in (*names, "family", "unit")]
        if missing or unknown:
            wrong = f"{missing[0]} is missing" if missing else f"{unknown[0]} is no key of it"
            self.refuse(f"a {family} prior needs {' and '.join(names)}; {wrong}")
        return names

    def _number(self, name: str) -> float:
        value = self.table[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(f"{name} = {value!r} must be a finite number")
        if name in ABOVE_ZERO and value <= 0:
            self.refuse(f"{name} = {value!r} must be above zero")
        if name == "factor" and value <= 1:
            self.refuse(f"factor = {value!r} must be above one: it says how many times larger a value may be")
        return float(value)

    def _unit(self, unit: str) -> str:
        """Stated unit of the numbers; never guessed where the parameter has one."""
        stated = self.table.get("unit", DIMENSIONLESS if unit in (DIMENSIONLESS, "ln(1)") else None)
        if stated is None:
            self.refuse(f"the unit is not stated and never guessed; add unit = {json.dumps(unit)}")
        if not isinstance(stated, str):
            self.refuse(f"unit = {stated!r} must be text, for example unit = {json.dumps(unit)}")
        return stated

    def _converted(self, values: list[float], unit: str) -> list[float]:
        stated = self._unit(unit)
        try:
            return converted(values, stated, unit)
        except FitError as error:
            self.refuse(f"unit = {stated!r}: {error}")

    def _log_mean(self, mean: float) -> float:
        """Mean of a logarithm: stated in ``ln(mV)``, it moves by the logarithm of the prefix."""
        site, stated = self.site, self._unit(self.site.scale_unit)
        match = re.fullmatch(r"ln\((.+)\)", stated)
        if match is None and stated != DIMENSIONLESS:
            self.refuse(
                f"unit = {stated!r} is not that of a logarithm; write unit = {json.dumps(site.scale_unit)}"
            )
        try:
            (factor,) = converted([1.0], match.group(1) if match else DIMENSIONLESS, site.unit)
        except FitError as error:
            self.refuse(f"unit = {stated!r}: {error}")
        return mean + math.log(factor)
