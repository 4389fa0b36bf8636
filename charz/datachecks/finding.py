"""What a check of data reports, and how a check is registered."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import xarray as xr

from charz.units import ARBITRARY, DIMENSIONLESS


class Finding(NamedTuple):
    """One thing that was seen in the data.

    Parameters
    ----------
    check : str
        Name of the check that saw it.
    where : str
        Variable and the worst few devices.
    seen : str
        With numbers and units.
    meaning : str
        What it means for a fit, in one clause.
    severity : {"note", "warning"}
        A warning needs an answer before a fit can be believed; a note is good to know.
    """

    check: str
    where: str
    seen: str
    meaning: str
    severity: Literal["note", "warning"]


class Check(NamedTuple):
    """One check of data.

    Parameters
    ----------
    name : str
    summary : str
    kinds : frozenset of str
        Experiment kinds that it applies to.
    run : callable
        From a valid dataset to its findings; an empty list where nothing was seen.
    """

    name: str
    summary: str
    kinds: frozenset[str]
    run: Callable[[xr.Dataset], list[Finding]]


def quantity(value: float, unit: str) -> str:
    """Show a value with its SI unit; a unit that is not known is called ``arb``.

    Examples
    --------
    >>> quantity(0.0123456, "V"), quantity(3.0, "1")
    ('0.01235 V', '3')
    """
    shown = "" if unit == DIMENSIONLESS else f" {unit or ARBITRARY}"
    return f"{float(value):.4g}{shown}"
