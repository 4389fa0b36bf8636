"""Physical quantities drawn out of validated datasets, one extractor a module; `extract` runs one by name."""

import json
from typing import Any

import xarray as xr

from charz.errors import SchemaError
from charz.extract import (
    censoring,
    coercivity,
    conductance_at,
    drift_ratio,
    dwells,
    increments,
    ramps,
    slope,
    thresholds,
)
from charz.extract.contract import Extractor
from charz.extract.options import check_options, nearest
from charz.schema import validate

__all__ = ["EXTRACTORS", "Extractor", "extract"]

_MODULES = (
    thresholds,
    ramps,
    censoring,
    increments,
    dwells,
    conductance_at,
    coercivity,
    slope,
    drift_ratio,
)
EXTRACTORS: dict[str, Extractor] = {module.EXTRACTOR.name: module.EXTRACTOR for module in _MODULES}


def extract(dataset: xr.Dataset, /, rule: str, **options: Any) -> xr.Dataset:
    """Draw a quantity out of a dataset.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a kind that the rule takes.
    rule : str
        One of `EXTRACTORS`.
    **options
        Numbers, booleans or strings; a quantity is a string such as ``"0.3 V"``. What each rule knows stands in
        ``EXTRACTORS[rule].options``.

    Returns
    -------
    xarray.Dataset
        Validated. It carries the attributes of `dataset`, the sentence ``extract_rule``, and ``extraction``, a
        JSON string of rule, options and former kind (a list of these after several extractions).

    Raises
    ------
    SchemaError
        For an unknown rule or option, a wrong kind, or data from which the rule cannot draw anything.
    UnitError, ExpressionError
        For a quantity or an expression that is not valid.

    Examples
    --------
    >>> extract(sweeps, "thresholds", at="largest-increase")  # doctest: +SKIP
    """
    if rule not in EXTRACTORS:
        raise SchemaError(
            f"extraction rule {rule!r} does not exist{nearest(rule, list(EXTRACTORS))}; "
            f"valid: {', '.join(EXTRACTORS)}"
        )
    extractor = EXTRACTORS[rule]
    validate(dataset)
    kind = dataset.attrs["experiment"]
    if kind not in extractor.takes:
        takers = [one.name for one in EXTRACTORS.values() if kind in one.takes]
        raise SchemaError(
            f"{rule} reads {' or '.join(extractor.takes)}, not {kind}; "
            f"rules for {kind}: {', '.join(takers) or 'none'}"
        )
    options = {name: _plain(value) for name, value in options.items()}
    check_options(extractor, options)
    result = extractor.run(dataset, **options)
    record = {"rule": rule, "options": options, "from": kind}
    result.attrs = {**dataset.attrs, **result.attrs, "extraction": _append(dataset, record)}
    return validate(result)


def _plain(value: Any) -> Any:
    """NumPy scalars as the Python ones that JSON knows."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _append(dataset: xr.Dataset, record: dict[str, Any]) -> str:
    if "extraction" not in dataset.attrs:
        return json.dumps(record)
    try:
        earlier = json.loads(dataset.attrs["extraction"])
    except (TypeError, json.JSONDecodeError) as error:
        raise SchemaError(
            f"attribute 'extraction' = {dataset.attrs['extraction']!r} is not the JSON that charz writes; remove or "
            "rename it, since the chain of rules is continued in it"
        ) from error
    return json.dumps([*(earlier if isinstance(earlier, list) else [earlier]), record])
