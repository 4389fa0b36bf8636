"""What `charz inspect` shows of a dataset beyond its dims: statistics, a line a device, findings of the checks."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charz.cli.output import PIPE_WIDTH, Report

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

MAX_LINES = 8
MAX_NAME = 24
MIN_WIDTH = 20
_STATISTICS = ("num", "mean", "sd", "median", "min", "max")


def load_in_blocks(file: Path) -> "xr.Dataset":
    """Read and validate a dataset, one block of a variable after the other.

    Decoding a variable as a whole needs its memory twice, which a trace of 1e8 samples does not leave.

    Raises
    ------
    ReadError
        When the file is cut short or damaged.
    SchemaError
        When its content breaks the contract of its kind.
    """
    import numpy as np

    from charz.cli.inspect import blocks
    from charz.errors import SchemaError
    from charz.readers.guard import foreign
    from charz.schema import validate
    from charz.store import opened

    with opened(file) as lazy, foreign(file, "a netCDF file"):
        loaded, chunks = {}, _chunks(file)
        for name, array in lazy.variables.items():
            values = np.empty(array.shape, dtype=array.dtype)
            for place, block in blocks(array, chunks.get(str(name), ())):
                values[place] = block
            loaded[name] = (array.dims, values, array.attrs)
        dataset = lazy.assign_coords({name: loaded[name] for name in lazy.coords})
        dataset = dataset.assign({name: loaded[name] for name in lazy.data_vars})
    try:
        return validate(dataset)
    except SchemaError as error:
        raise SchemaError(f"{file}: {error}") from error


def _chunks(file: Path) -> dict[str, list[int]]:
    """Chunks in which a file holds its variables; those that are not chunked are left out."""
    import netCDF4

    with netCDF4.Dataset(file) as opened:
        found = {name: variable.chunking() for name, variable in opened.variables.items()}
    return {name: sizes for name, sizes in found.items() if isinstance(sizes, list)}


def checked(dataset: "xr.Dataset") -> dict[str, Any]:
    """Statistics of the main variable, and findings of the checks, for the JSON."""
    from charz.datachecks import check_data
    from charz.datachecks.summary import statistics

    return {
        "statistics": statistics(dataset),
        "checks": [finding._asdict() for finding in check_data(dataset)],
    }


def print_lines(report: Report, dataset: "xr.Dataset", found: Mapping[str, Any]) -> None:
    """Print the statistics and, for the first devices, a line that draws the main variable."""
    if report.as_json:
        return
    from charz.datachecks.summary import main_rows

    rows = main_rows(dataset)
    entries = list(found.get("devices", {}).items())[:MAX_LINES]
    total = len(found.get("devices", {}))
    shown = [("all", found["all"]), *entries] if total != 1 else entries
    report.table(
        f"{found['variable']} ({found['units']})",
        ("device", *_STATISTICS),
        [(name, *(item[key] for key in _STATISTICS)) for name, item in shown],
    )
    names = [name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…" for name, _ in entries] or [""]
    indent = max(map(len, names)) + 1
    width = max(MIN_WIDTH, _width() - indent)
    for index, name in enumerate(names):
        report.say(f"{name:<{indent}}{_line(dataset, rows.values[index], index, width)}")
    if total > MAX_LINES:
        report.say(f"... and {total - MAX_LINES} devices more (their statistics with --json)")


def print_checks(report: Report, findings: Sequence[Mapping[str, Any]]) -> None:
    """Print the findings of the checks; that there are none is said."""
    warnings = sum(finding["severity"] == "warning" for finding in findings)
    if not findings:
        report.say("Checks of the data: nothing was found")
        return
    report.table(
        f"Checks of the data: {warnings} warnings, {len(findings) - warnings} notes",
        ("severity", "check", "where", "seen", "what it means for a fit"),
        [
            (item["severity"], item["check"].replace("_", " "), item["where"], item["seen"], item["meaning"])
            for item in findings
        ],
    )


def _line(dataset: "xr.Dataset", values: "NDArray[np.floating]", index: int, width: int) -> str:
    """Histogram of thresholds, fractions in the order of the amplitude, everything else as it was measured."""
    import numpy as np

    from charz.plots.sparkline import histogram_line, sparkline

    ascii_only = not _draws_blocks()
    if dataset.attrs["experiment"] == "ramp_switching":
        return histogram_line(values, width, ascii_only=ascii_only)
    if dataset.attrs["experiment"] == "pulse_switching":
        values = values[np.argsort(dataset["amplitude"].values[index], kind="stable")]
        values = values[np.isfinite(values)]
    return sparkline(values, width, ascii_only=ascii_only)


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def _draws_blocks() -> bool:
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
