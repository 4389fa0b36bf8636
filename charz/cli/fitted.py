"""What the commands say of a posterior: its parameters with units, and all that limits what they mean."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charz.cli.output import Report

if TYPE_CHECKING:
    from charz.fitting import Posterior

SHOWN_DEVICES = 6
NOT_IDENTIFIED = "not identified"
_COLUMNS = ("mean", "sd", "q05", "q95", "rhat", "ess_bulk")


def fit_result(posterior: "Posterior", output: Path) -> dict[str, Any]:
    """Give the numbers of a fit as plain values."""
    attrs, summary = posterior.tree.attrs, posterior.summary()
    unidentified = _unidentified(posterior)
    for table in summary.values():
        for name, numbers in table.items():
            _mark(numbers, name, unidentified)
    return {
        "output": str(output),
        "model": posterior.model,
        "pool": posterior.pool,
        "devices": posterior.device_names,
        "units": posterior.units(),
        "interval": attrs["interval"],
        **summary,
        "sampler": attrs.get("sampler", ""),
        "converged": posterior.converged,
        "divergences": int(attrs.get("divergences", 0)),
        "convergence": attrs["convergence"],
        "remarks": attrs.get("remarks", ""),
        "data_remarks": data_remarks(posterior),
        "data_checks": data_checks(posterior),
        "parametrization": attrs.get("parametrization", ""),
        "priors": posterior.priors(),
    }


def data_remarks(posterior: "Posterior") -> list[str]:
    """What was left out of the data or reinterpreted."""
    return [line for line in str(posterior.tree.attrs.get("data_remarks", "")).split("\n") if line]


def data_checks(posterior: "Posterior") -> list[dict[str, str]]:
    """Findings of the checks of the data, as `charz.datachecks` gives them."""
    return json.loads(posterior.tree.attrs.get("data_checks", "[]"))


def say_limits(report: Report, posterior: "Posterior") -> None:
    """Repeat what limits a result: the data's own faults, and chains that did not converge."""
    for remark in data_remarks(posterior):
        report.say(f"data: {remark}")
    for finding in data_checks(posterior):
        if finding["severity"] == "warning":
            name = finding["check"].replace("_", " ")
            report.warn(f"data check, {name}: {finding['where']}: {finding['seen']}; {finding['meaning']}")
    if posterior.warning:
        report.warn(posterior.warning)


def say_result(report: Report, posterior: "Posterior", output: Path) -> None:
    """Print the tables of a fit."""
    summary, units, attrs = posterior.summary(), posterior.units(), posterior.tree.attrs
    unidentified = _unidentified(posterior)
    interval = attrs["interval"]
    header = ("parameter (unit)", *_COLUMNS)
    if summary["population"]:
        rows = [_row(name, None, units, n, unidentified) for name, n in summary["population"].items()]
        report.table(f"Population ({interval} interval)", header, rows)
    rows = []
    for name, numbers in summary["parameters"].items():
        if "mean" in numbers:
            rows.append(_row(name, None, units, numbers, unidentified))
            continue
        shown = list(numbers.items())[:SHOWN_DEVICES]
        rows += [_row(name, device, units, row, unidentified) for device, row in shown]
    report.table(f"{posterior.model}, pool {posterior.pool} ({interval} interval)", header, rows)
    hidden = len(posterior.device_names) - SHOWN_DEVICES
    if hidden > 0 and posterior.pool != "complete":
        report.say(f"{hidden} more devices in {output}")
    for name, statement in unidentified.items():
        if name not in summary["population"]:
            report.warn(f"{name}: {statement}")
    for name in ("sampler", "parametrization"):
        if attrs.get(name):
            report.say(f"{name}: {attrs[name]}")
    if attrs.get("remarks"):
        report.say(str(attrs["remarks"]))
    say_limits(report, posterior)
    if not posterior.warning:
        report.say(str(attrs["convergence"]))
    report.say(f"posterior written to {output}")


def one_observation(posterior: "Posterior") -> str:
    """Say what is left out at a time: ``one setting of one device``."""
    terms = next(iter(posterior.tree["log_likelihood"].data_vars.values()))
    *_, last = (str(dim) for dim in terms.dims)
    one = {"block": "one block of a long record", "time": "one sample"}.get(last, f"one {last}")
    return f"{one} of one device" if "device" in terms.dims and last != "device" else one


def _unidentified(posterior: "Posterior") -> dict[str, str]:
    """Statement on each parameter to which the data give no number, by the name of its rows.

    What is said of a typical value holds for the centre of its population and for every device.
    """
    from charz.fitting.identification import identification

    found = {name: o.statement for name, o in identification(posterior).items() if not o.identified}
    centres = {f"{p.linked_name}_mean": found[p.name] for p in posterior.fit_model.free if p.name in found}
    return found | centres


def _statement(name: str, device: str | None, unidentified: Mapping[str, str]) -> str | None:
    """Statement on a row: of the device's own parameter, or of the parameter of all devices."""
    return unidentified.get(f"{name}[{device}]", unidentified.get(name))


def _mark(numbers: dict[str, Any], name: str, unidentified: Mapping[str, str]) -> None:
    """Say beside the numbers of a parameter whether the data identify it."""
    rows = {None: numbers} if "mean" in numbers else numbers
    for device, row in rows.items():
        statement = _statement(name, device, unidentified)
        row["identified"] = statement is None
        if statement is not None:
            row["statement"] = statement


def _row(
    name: str,
    device: str | None,
    units: Mapping[str, str],
    numbers: Mapping[str, float],
    unidentified: Mapping[str, str],
) -> tuple:
    label, unit = name if device is None else f"{name}[{device}]", units.get(name, "1")
    label = label if unit == "1" else f"{label} ({unit})"
    if _statement(name, device, unidentified) is not None:
        return (label, NOT_IDENTIFIED, "", *(numbers[column] for column in _COLUMNS[2:]))
    return (label, *(numbers[column] for column in _COLUMNS))
