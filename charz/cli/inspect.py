"""`charz inspect`: what a file holds, be it a dataset, a posterior or run, or a raw laboratory file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report, plain
from charz.errors import ReadError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

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
_COUNTED = {
    "cycle": "num_cycles",
    "pulse": "num_pulses",
    "point": "num_points",
    "time": "num_samples",
    "sample": "num_samples",
    "electrode": "num_electrodes",
}
_CENSORING = ("none", "left", "right", "interval")
_SHOWN_DEVICES = 40
_SHOWN_LETTERS = 100
_BLOCK = 1 << 22


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file written by charz (.nc), or a laboratory file."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT.json", help="Also write the numbers to this JSON file."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Also draw the dataset to this PNG file.")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Format of a laboratory file, where the content does not tell it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Show dims, ranges, units, statistics and checks of a dataset, or how a laboratory file would be read."""
    from charz.cli.convert import refuse_output
    from charz.store import holds_dataset, require_file

    require_file(file)
    for target in (output, plot):
        if target is not None:
            refuse_output(target, [file])
    if output is not None and plot is not None and output.absolute() == plot.absolute():
        raise ReadError(f"--plot {plot}: is also the file of -o; give each its own name")
    report = Report(as_json)
    is_dataset = reader is None and holds_dataset(file)
    if plot is not None and not is_dataset:
        raise ReadError(
            f"--plot {plot}: {file} is no dataset of charz, and only those know what their columns are; make "
            "one with 'charz convert'"
        )
    summary = _inspect_dataset(report, file, plot) if is_dataset else _inspect_other(report, file, reader)
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
    """Numbers of a dataset: dims, variables with range and unit, totals, one entry a device.

    Values that are still on disk are read block by block and not kept.
    """
    summary: dict[str, Any] = {
        "experiment": dataset.attrs.get("experiment"),
        "dims": {str(dim): int(size) for dim, size in dataset.sizes.items()},
        "variables": {str(name): _describe_variable(array) for name, array in dataset.data_vars.items()},
        "attributes": dict(dataset.attrs),
    }
    if "device" in dataset.sizes:
        summary["num_devices"] = int(dataset.sizes["device"])
    if dataset.attrs.get("experiment") == "pulse_switching":
        return summary | _describe_counts(dataset)
    summary |= {key: int(dataset.sizes[dim]) for dim, key in _COUNTED.items() if dim in dataset.sizes}
    if "censored" in dataset:
        summary["censored"] = _count_censored(dataset)
    return summary


def _describe_variable(array: "xr.DataArray") -> dict[str, Any]:
    import numpy as np

    low, high, missing = None, None, 0
    for _, values in blocks(array) if array.dtype.kind in "if" else ():
        finite = np.isfinite(values)
        number = int(np.count_nonzero(finite))
        missing += values.size - number
        if not number:
            continue
        kept = values if number == values.size else values[finite]
        first, last = kept.min().item(), kept.max().item()
        low = first if low is None else min(low, first)
        high = last if high is None else max(high, last)
    return {
        "dims": list(map(str, array.dims)),
        "units": array.attrs.get("units"),
        "long_name": array.attrs.get("long_name"),
        "min": low,
        "max": high,
        "missing": missing,
    }


def blocks(
    array: "xr.DataArray | xr.Variable", chunks: Sequence[int] = ()
) -> "Iterator[tuple[tuple[slice, ...], NDArray[np.generic]]]":
    """Values of an array in blocks along its longest dimension, each with its place in the array.

    A compressed file is unpacked by whole chunks: blocks that are multiples of `chunks` unpack each but once.
    """
    longest = max(range(array.ndim), key=lambda axis: array.shape[axis]) if array.ndim else 0
    size = array.shape[longest] if array.ndim else 1
    step = max(1, _BLOCK * size // max(array.size, 1))
    if chunks and chunks[longest] < 8 * _BLOCK:
        step = max(1, step // chunks[longest]) * chunks[longest]
    for first in range(0, size, step):
        place = tuple(
            slice(first, first + step) if axis == longest else slice(None) for axis in range(array.ndim)
        )
        yield place, array[place].values


def _count_censored(dataset: "xr.Dataset") -> dict[str, int]:
    """Count thresholds by kind of censoring; cells that only pad a ragged table are none."""
    import numpy as np

    flags = dataset["censored"].values
    measured = np.isfinite(dataset["threshold"].values) | (flags != 0)
    counts = np.bincount(flags[measured].ravel(), minlength=len(_CENSORING)).tolist()
    return dict(zip(_CENSORING, counts, strict=True))


def _describe_counts(dataset: "xr.Dataset") -> dict[str, Any]:
    import numpy as np

    trials, switched = dataset["num_trials"].values, dataset["num_switched"].values
    amplitudes = dataset["amplitude"].values
    devices = {}
    for index, name in enumerate(dataset["device"].values.tolist()):
        used = trials[index] > 0
        amplitude = amplitudes[index][used]
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
    if "censored" in summary:
        counts = ", ".join(f"{count} {name}" for name, count in summary["censored"].items())
        report.say(f"Thresholds by censoring: {counts}")
    if attributes:
        print_attributes(report, summary["attributes"])


def print_attributes(report: Report, attributes: Mapping[str, Any]) -> None:
    """Print attributes, long ones shortened."""
    report.table(
        "attributes", ("name", "value"), [(name, shorten(value)) for name, value in attributes.items()]
    )


def shorten(value: object) -> str:
    """Value as text of at most 100 letters; of a longer one its length is said."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}... ({len(text)} characters)"


def _inspect_dataset(report: Report, file: Path, plot: Path | None) -> dict[str, Any]:
    from charz.cli.inspect_data import checked, load_in_blocks, print_checks, print_lines

    dataset = load_in_blocks(file)
    summary = {**describe_dataset(dataset), **checked(dataset)}
    print_dataset(report, f"{file.name} ({summary['experiment']})", summary)
    print_lines(report, dataset, summary["statistics"])
    print_checks(report, summary["checks"])
    if plot is not None:
        from charz.plots.data import plot_data

        family = dataset.attrs.get("device_family", "")
        parts = (family, summary["experiment"], file.name)
        plot_data(dataset, plot, title=", ".join(part for part in parts if part))
        report.say(f"Written: {plot}")
        summary["plot"] = str(plot)
    return {"type": "dataset", **summary}


def _inspect_other(report: Report, file: Path, reader: str | None) -> dict[str, Any]:
    """Look at a tree that charz wrote, or else at a laboratory file."""
    from charz.cli.inspect_raw import inspect_raw
    from charz.cli.inspect_tree import read_tree

    found = read_tree(file) if reader is None else None
    if found is None:
        return inspect_raw(report, file, reader)
    for name, group in found["groups"].items():
        report.table(
            f"{file.name}: {name}",
            ("variable", "dims", "unit"),
            [
                (variable, ", ".join(f"{dim} {group['dims'][dim]}" for dim in item["dims"]), item["units"])
                for variable, item in group["variables"].items()
            ],
        )
    print_attributes(report, found["attributes"])
    return {"type": "tree", **found}
