"""`charz inspect`: what a file holds, be it a dataset, a posterior or run, or a raw laboratory file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report, plain
from charz.errors import ReadError

if TYPE_CHECKING:
    import xarray as xr

_NETCDF = (b"\x89HDF\r\n\x1a\n", b"CDF")
# Columns of the table of devices; fractions are those of all settings, the lowest and the highest.
_DEVICE_KEYS = (
    "num_settings",
    "num_trials",
    "amplitude_min",
    "amplitude_max",
    "fraction",
    "fraction_min",
    "fraction_max",
)
_SHOWN_ROWS = 5
_SHOWN_DEVICES = 40
_SHOWN_LETTERS = 100


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file written by charz (.nc), or a laboratory file (text)."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT.json", help="Also write the numbers to this JSON file."),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Format of a laboratory file, where the content does not tell it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Show dims, ranges, units, counts and attributes of a file, or how a laboratory file would be read."""
    from charz.cli.convert import refuse_output

    if output is not None:
        refuse_output(output, [file])
    report = Report(as_json)
    summary = _inspect_netcdf(report, file) if _is_netcdf(file) else _inspect_text(report, file, reader)
    summary = {"file": str(file), **summary}
    if output is not None:
        from charz.atomic import replacing

        with replacing(output) as temporary:
            temporary.write_text(
                json.dumps(plain(summary), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        report.say(f"Written: {output}")
    report.finish(summary)


def describe_dataset(dataset: "xr.Dataset") -> dict[str, Any]:
    """Numbers of a dataset: dims, variables with range and unit, totals, one entry a device."""
    import numpy as np

    variables = {}
    for name, array in dataset.data_vars.items():
        values = array.values
        finite = values[np.isfinite(values)] if values.dtype.kind in "if" else values[:0]
        variables[str(name)] = {
            "dims": list(map(str, array.dims)),
            "units": array.attrs.get("units"),
            "long_name": array.attrs.get("long_name"),
            "min": finite.min().item() if finite.size else None,
            "max": finite.max().item() if finite.size else None,
            "missing": int(values.size - finite.size) if values.dtype.kind in "if" else 0,
        }
    summary: dict[str, Any] = {
        "experiment": dataset.attrs.get("experiment"),
        "dims": {str(dim): int(size) for dim, size in dataset.sizes.items()},
        "variables": variables,
        "attributes": dict(dataset.attrs),
    }
    if "device" in dataset.sizes:
        summary["num_devices"] = int(dataset.sizes["device"])
    if dataset.attrs.get("experiment") == "pulse_switching":
        summary |= _describe_counts(dataset)
    return summary


def _describe_counts(dataset: "xr.Dataset") -> dict[str, Any]:
    import numpy as np

    trials, switched = dataset["num_trials"].values, dataset["num_switched"].values
    devices = {}
    for index, name in enumerate(dataset["device"].values.tolist()):
        used = trials[index] > 0
        amplitude = dataset["amplitude"].values[index][used]
        fraction = switched[index][used] / trials[index][used]
        devices[str(name)] = {
            "num_settings": int(used.sum()),
            "num_trials": int(trials[index].sum()),
            "num_switched": int(switched[index].sum()),
            "amplitude_min": float(amplitude.min()) if used.any() else None,
            "amplitude_max": float(amplitude.max()) if used.any() else None,
            "fraction_min": float(fraction.min()) if used.any() else None,
            "fraction_max": float(fraction.max()) if used.any() else None,
            "fraction": float(switched[index].sum() / trials[index].sum()) if used.any() else None,
        }
    return {
        "num_settings": int(np.count_nonzero(trials)),
        "num_trials": int(trials.sum()),
        "num_switched": int(switched.sum()),
        "devices": devices,
    }


def print_dataset(report: Report, title: str, summary: Mapping[str, Any], *, attributes: bool = True) -> None:
    """Print the tables of a dataset."""
    report.table(
        f"{title}: " + ", ".join(f"{size} {dim}" for dim, size in summary["dims"].items()),
        ("variable", "dims", "unit", "min", "max", "missing"),
        [
            (name, ", ".join(item["dims"]), item["units"], item["min"], item["max"], item["missing"])
            for name, item in summary["variables"].items()
        ],
    )
    devices = summary.get("devices", {})
    if devices:
        report.table(
            f"{summary['num_trials']} trials at {summary['num_settings']} settings, "
            f"{summary['num_switched']} switched",
            ("device", "settings", "trials", "from", "to", "switched", "lowest", "highest"),
            [
                (name, *(item[key] for key in _DEVICE_KEYS))
                for name, item in list(devices.items())[:_SHOWN_DEVICES]
            ],
        )
        if len(devices) > _SHOWN_DEVICES:
            report.say(f"... and {len(devices) - _SHOWN_DEVICES} devices more (all of them with --json)")
    if attributes:
        print_attributes(report, summary["attributes"])


def print_attributes(report: Report, attributes: Mapping[str, Any]) -> None:
    """Print attributes, long ones shortened."""
    report.table(
        "attributes", ("name", "value"), [(name, _shorten(value)) for name, value in attributes.items()]
    )


def _shorten(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}... ({len(text)} characters)"


def _is_netcdf(file: Path) -> bool:
    from charz.store import require_file

    require_file(file)
    with file.open("rb") as stream:
        return stream.read(8).startswith(_NETCDF)


def _inspect_netcdf(report: Report, file: Path) -> dict[str, Any]:
    import xarray as xr

    from charz.kinds import KINDS
    from charz.store import load

    try:
        with xr.open_datatree(file, engine="netcdf4") as tree:
            groups = {
                "/" if path == "." else path: _describe_group(node)
                for path, node in tree.subtree_with_keys
                if path != "." or node.data_vars
            }
            attributes = _native(tree.attrs)
    except Exception as error:  # the netCDF, HDF5 and xarray layers each raise errors of their own
        raise ReadError(f"{file}: not a readable netCDF file (cut short or damaged): {error}") from error
    if set(groups) <= {"/"} and attributes.get("experiment") in KINDS:
        summary = describe_dataset(load(file))
        print_dataset(report, f"{file.name} ({summary['experiment']})", summary)
        return {"type": "dataset", **summary}
    for name, group in groups.items():
        report.table(
            f"{file.name}: {name}",
            ("variable", "dims", "unit"),
            [
                (variable, ", ".join(f"{dim} {group['dims'][dim]}" for dim in item["dims"]), item["units"])
                for variable, item in group["variables"].items()
            ],
        )
    print_attributes(report, attributes)
    return {"type": "tree", "groups": groups, "attributes": attributes}


def _describe_group(node: "xr.DataTree") -> dict[str, Any]:
    return {
        "dims": {str(dim): int(size) for dim, size in node.sizes.items()},
        "variables": {
            str(name): {"dims": list(map(str, array.dims)), "units": array.attrs.get("units")}
            for name, array in node.data_vars.items()
        },
        "attributes": _native(node.attrs),
    }


def _native(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(name): value.tolist() if hasattr(value, "tolist") else value for name, value in attributes.items()
    }


def _inspect_text(report: Report, file: Path, reader: str | None) -> dict[str, Any]:
    from charz.readers import open_table

    table = open_table(file, reader)
    columns = []
    for index, column in enumerate(table.columns):
        cells = table.texts(index)[:_SHOWN_ROWS]
        columns.append({"source": f"@{index + 1}", "name": column.name, "unit": column.unit, "first": cells})
    report.say(f"{file.name}: {len(table.rows)} rows, {len(table.columns)} columns")
    report.table(
        "dialect",
        ("recognised", "value"),
        [(name, "none" if value is None else value) for name, value in table.dialect.items()],
    )
    report.table(
        "columns",
        ("source", "header", "unit", "first rows"),
        [
            (item["source"], item["name"], item["unit"] or "not stated", _shorten(item["first"]))
            for item in columns[:_SHOWN_DEVICES]
        ],
    )
    if lines := table.attrs.get("metadata"):
        report.table(
            "lines outside the table", ("text",), [(_shorten(line),) for line in lines[:_SHOWN_DEVICES]]
        )
    missing = [item["source"] for item in columns if not item["unit"]]
    if missing:
        report.say(
            f"Units are not stated for {len(missing)} of {len(columns)} columns. 'charz convert' needs, for "
            "each that "
            "you use: --column NAME=SOURCE --unit NAME=UNIT"
        )
    return {
        "type": "table",
        "num_rows": len(table.rows),
        "dialect": dict(table.dialect),
        "columns": columns,
        "metadata": list(table.attrs.get("metadata", [])),
        "units_missing": missing,
    }
