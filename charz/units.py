"""Units at the border: what a file says in mV, ns or Oe becomes SI once, here, and nowhere else.

pint is imported inside the functions because it is slow to load. Nothing is guessed: a unit that nobody
stated is an error that shows the flag to add; a unit that nobody *knows* must be written as ``arb``.
"""

import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charz.errors import UnitError

ARBITRARY = "arb"
DIMENSIONLESS = "1"

# Canonical spelling of the SI units that charz stores, in the order in which a dimension is looked up.
CANONICAL = (
    "1", "V", "A", "ohm", "S", "s", "A/m", "T", "K", "Hz", "m", "J", "W", "F", "C", "Wb",
    "V/s", "A/s", "A/m/s", "T/s", "V/m", "A/m**2",
)  # fmt: skip

# Spelled-out names as instruments print them; pint is case-sensitive ("S" is siemens, "s" a second), so only
# whole words are lowered, never single letters.
_WORDS = re.compile(
    r"(?i)(ohm|volt|amp(?:ere)?|second|tesla|siemens|oersted|gauss|kelvin|hertz)s?(?![A-Za-z])"
)
_CGS = re.compile(r"(?<![A-Za-z])((?:kilo|milli|micro|[kmuµ])?(?:oersted|gauss|Oe|G))(?![A-Za-z_])")
_SAFE = re.compile(r"[A-Za-zΩµ°%0-9·*/^().\s_-]{1,40}")
_LONG_NUMBER = re.compile(r"\d{3,}|\*\*\s*\d\d|\d\s*\*\*|\^\s*\d\d|\d\s*\^")


@functools.cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    # pint defines oersted and gauss in CGS dimensions, from which no SI field follows. As magnetic field and
    # induction are meant here, the SI equivalents are exact: 1 Oe = 1000/(4π) A/m, 1 G = 1e-4 T. They get
    # names of their own because pint caches the units that it was born with.
    registry.define("oersted_si = 1000 / (4 * pi) * ampere / meter = Oe_si")
    registry.define("gauss_si = 1e-4 * tesla = G_si")
    return registry


def _normalise(unit: str) -> str:
    text = unit.strip().replace("\u2126", "\u03a9").replace("\u03bc", "\u00b5").replace("−", "-")
    text = text.replace("°C", "degC").replace("Ω", "ohm").replace("·", "*")
    text = _WORDS.sub(lambda match: match.group(1).lower().replace("ampere", "amp"), text)
    return _CGS.sub(r"\1_si", text)


@functools.cache
def _parse(unit: str) -> Any:
    """Return the pint unit of a spelling, or raise `UnitError` when it is none."""
    text = _normalise(unit)
    if not _SAFE.fullmatch(text) or _LONG_NUMBER.search(text):
        raise UnitError(f"unit {unit!r} is not the name of a unit; write for example V, mV, ns, ohm, A/m, Oe")
    if text == DIMENSIONLESS:
        return _registry().dimensionless
    if text[0].isdigit():
        raise UnitError(f"unit {unit!r} holds a number; a unit stands alone, for example V, mV, ns, ohm, A/m")
    try:
        return _registry().parse_units(text)
    except Exception as error:  # pint raises errors of many kinds on odd spellings
        raise UnitError(
            f"unit {unit!r} is unknown; write for example V, mV, ns, ohm, A/m, Oe, 1 (no dimension) or "
            f"{ARBITRARY} (not known)"
        ) from error


def is_unit(text: str) -> bool:
    """Whether `text` is the spelling of a unit (used to tell a row of units from a row of data)."""
    if text.strip() == ARBITRARY:
        return True
    try:
        _parse(text.strip())
    except UnitError:
        return False
    return True


def is_measured_unit(text: str) -> bool:
    """Whether `text` is a unit of a quantity that charz stores; ``a`` (are) and ``b`` (barn) are rather names."""
    return is_unit(text) and canonical_unit(text) in (*CANONICAL, ARBITRARY)


def canonical_unit(unit: str) -> str:
    """SI spelling that charz stores for the dimension of `unit`.

    Raises
    ------
    UnitError
        When `unit` is not a unit.
    """
    if unit.strip() == ARBITRARY:
        return ARBITRARY
    parsed = _parse(unit)
    for candidate in CANONICAL:
        if parsed.dimensionality == _parse(candidate).dimensionality:
            return candidate
    base = (1 * parsed).to_base_units().units
    return f"{base:~C}"


def unit_for(
    name: str, unit: str | None, allowed: Sequence[str] | None = None, *, arbitrary: bool = False
) -> str:
    """Canonical unit into which variable `name`, stated in `unit`, is converted.

    Parameters
    ----------
    name : str
        Variable, for the message.
    unit : str or None
        As stated by the file or the user; None when nobody stated it.
    allowed : sequence of str, optional
        Canonical units that the variable may have; None allows every unit.
    arbitrary : bool
        Whether ``arb`` (unit not known) is allowed.

    Raises
    ------
    UnitError
        When the unit is missing, unknown or of the wrong dimension.
    """
    choices = "a unit" if allowed is None else " or ".join(allowed)
    if unit is None or not unit.strip():
        example = "ohm" if not allowed else allowed[0]
        unknown = f" ({ARBITRARY} if it is not known)" if arbitrary else ""
        raise UnitError(
            f"the unit of {name!r} is stated nowhere and is never guessed: add --unit {name}={example} (in a "
            f'description: units.{name} = "{example}") with the file\'s own unit{unknown}; valid is {choices}, with '
            "any prefix"
        )
    if unit.strip() == ARBITRARY:
        if arbitrary:
            return ARBITRARY
        raise UnitError(
            f"{name!r} cannot have the unit {ARBITRARY!r}: it must be {choices}, because its size enters "
            "the physics"
        )
    canonical = canonical_unit(unit)
    if allowed is not None and canonical not in allowed:
        raise UnitError(
            f"unit {unit!r} of {name!r} has the wrong dimension: {canonical} where {choices} is needed; "
            f"correct --unit {name}=..."
        )
    return canonical


def to_si(
    values: ArrayLike,
    unit: str | None,
    name: str,
    allowed: Sequence[str] | None = None,
    *,
    arbitrary: bool = False,
) -> tuple[NDArray[np.float64], str]:
    """Convert values to SI.

    Parameters
    ----------
    values : array_like
        In `unit`.
    unit : str or None
        Unit as stated, for example ``"mV"``, ``"µs"``, ``"Oe"``, ``"kΩ"``, ``"1"`` or ``"arb"``.
    name : str
        Variable, for the message.
    allowed : sequence of str, optional
        Canonical SI units that the variable may have, for example ``("V", "A", "A/m", "T")``.
    arbitrary : bool
        Whether ``arb`` is allowed; such values pass unchanged.

    Returns
    -------
    values : array of float64
        In SI.
    unit : str
        Canonical SI unit.

    Raises
    ------
    UnitError
        When the unit is missing, unknown or of the wrong dimension.

    Examples
    --------
    >>> to_si([100.0, 700.0], "mV", "amplitude", ("V", "A"))
    (array([0.1, 0.7]), 'V')
    """
    canonical = unit_for(name, unit, allowed, arbitrary=arbitrary)
    numbers = np.asarray(values, dtype=np.float64)
    if canonical == ARBITRARY or unit is None:
        return numbers, canonical
    quantity = _registry().Quantity
    source = _parse(unit)
    target = _parse(canonical)
    offset, one, two = (float(quantity(number, source).to(target).magnitude) for number in (0.0, 1.0, 2.0))
    factor = one - offset
    if not math.isclose(two - one, factor, rel_tol=1e-9):
        raise UnitError(
            f"unit {unit!r} of {name!r} is logarithmic; charz converts by factors only, store linear values"
        )
    if factor == 1 and offset == 0:
        return numbers, canonical
    # 700 * 0.001 is 0.7000000000000001 but 700 / 1000 is 0.7: divide where the inverse is a whole number.
    inverse = 1 / factor
    if abs(factor) < 1 and math.isclose(inverse, round(inverse), rel_tol=1e-12):
        return numbers / round(inverse) + offset, canonical
    return numbers * factor + offset, canonical


_QUANTITY = re.compile(r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>.*?)\s*")


def parse_quantity(
    text: str, name: str, allowed: Sequence[str] | None = None, *, arbitrary: bool = False
) -> tuple[float, str]:
    """Convert a number with its unit, for example ``"5 kohm"``, to SI.

    Parameters
    ----------
    text : str
        Number and unit, with or without a blank between them.
    name : str
        What it is the value of, for the message.
    allowed, arbitrary
        As for `to_si`.

    Returns
    -------
    value : float
        In SI.
    unit : str
        Canonical SI unit.

    Raises
    ------
    UnitError
        When there is no number, or the unit is missing, unknown or of the wrong dimension.

    Examples
    --------
    >>> parse_quantity("5 kohm", "series_resistance")
    (5000.0, 'ohm')
    """
    number, stated = split_quantity(text, name)
    values, unit = to_si([number], stated, name, allowed, arbitrary=arbitrary)
    return float(values[0]), unit


def split_quantity(text: str, name: str) -> tuple[float, str | None]:
    """Split ``"5 kohm"`` into 5.0 and ``kohm``; the unit is None where there is none.

    Raises
    ------
    UnitError
        When there is no finite number.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None or not math.isfinite(float(match.group("number"))):
        raise UnitError(
            f"{name} = {text!r} is not a number with a unit; write for example '5 kohm' or '0.3 V'"
        )
    return float(match.group("number")), match.group("unit") or None
