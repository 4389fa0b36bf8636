"""`charz convert`: laboratory files in, one validated netCDF dataset in SI out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli import describing as say
from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.errors import ReadError

if TYPE_CHECKING:
    import xarray as xr


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC...",
            help="Laboratory files, or folders of them; each file is one device unless a column or the path says "
            "which.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.nc", help="Dataset to write (netCDF, SI units).")
    ],
    experiment: say.Experiment = None,
    description: say.DescriptionFile = None,
    column: say.Columns = None,
    unit: say.Units = None,
    where: say.Where = None,
    switched: say.Switched = None,
    mask: say.Mask = None,
    derive: say.Derive = None,
    constant: say.Constant = None,
    schema: say.Schema = None,
    path: say.PathPattern = None,
    device: say.Device = None,
    cycle: say.Cycle = None,
    table: say.TableName = None,
    tables: say.Tables = None,
    reader: say.ReaderName = None,
    few_values: say.FewValues = False,
    more: say.Sets = None,
    family: say.Family = None,
    temperature: say.Temperature = None,
    instrument: say.Instrument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Convert laboratory files into one dataset in SI units, with its sources and rules recorded."""
    keys: dict[str, Any] = {
        "experiment": experiment,
        "columns": say.parse_pairs(column, "--column", "amplitude=@4"),
        "units": say.parse_pairs(unit, "--unit", "amplitude=mV"),
        "where": where,
        "switched": switched,
        "mask": say.parse_pairs(mask, "--mask", "'current=abs(current) > 1'"),
        "derive": say.parse_pairs(derive, "--derive", "'conductance=current / voltage'"),
        "constants": say.parse_pairs(constant, "--constant", "'series_resistance=5 kohm'"),
        "schema": [name.strip() for name in schema.split(",")] if schema is not None else None,
        "path": path,
        "device": device,
        "cycle": cycle,
        "table": table or None,
        "tables": tables,
        "reader": reader,
        "few_values": few_values or None,
        "device_family": family,
        "temperature": temperature,
        "instrument": instrument,
        **say.parse_sets(more),
    }
    refuse_output(output, sources)
    from charz.cli.inspect import describe_dataset, print_dataset
    from charz.conversion import convert as convert_files
    from charz.readers.sources import description_beside
    from charz.store import opened

    report = Report(as_json)
    found = description or description_beside(sources)
    with progress_bar("reading") as advance:
        convert_files(sources, output, description=found, progress=advance, **keys)
    with opened(output) as dataset:
        summary = describe_dataset(dataset)
        print_dataset(report, f"{output} ({summary['experiment']})", summary, attributes=False)
        _say_rows(report, dataset)
    if found is not None:
        report.say(f"Description: {found}")
    report.say(f"Written: {output}")
    report.finish({"output": str(output), **summary})


def refuse_output(output: Path, sources: Sequence[Path] = ()) -> None:
    """Raise before any work is done when the result could not be written, or would replace its own source.

    Raises
    ------
    ReadError
        When `output` is a folder or one of the sources.
    FileNotFoundError
        When its folder does not exist.
    """
    if output.is_dir():
        raise ReadError(f"-o {output}: is a folder; name a file in it, for example {output / 'out.nc'}")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"-o {output}: the folder {output.parent} does not exist; create it first")
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise ReadError(
                f"-o {output}: is also an input; a measured file is never overwritten, choose another name"
            )


def _say_rows(report: Report, dataset: "xr.Dataset") -> None:
    """Say how many rows were used, what was masked and left out: nothing is dropped silently."""
    import json

    read, kept = dataset.attrs.get("num_rows_read"), dataset.attrs.get("num_rows_kept")
    if "where_rule" in dataset.attrs:
        report.say(f"Rows: {kept} of {read} kept by --where '{dataset.attrs['where_rule']}'")
    elif read is not None:
        report.say(f"Rows: {read}")
    for name, mask in json.loads(dataset.attrs.get("masked", "{}")).items():
        report.warn(f"{mask['count']} values of {name} are masked (where {mask['rule']})")
    for remark in dataset.attrs.get("remarks", []):
        report.warn(remark)
    if unused := dataset.attrs.get("unused_columns"):
        shown = ", ".join(unused[:20]) + (f", ... ({len(unused)})" if len(unused) > 20 else "")
        report.say(f"Columns not used: {shown}")
    if "extract_rule" in dataset.attrs:
        report.say(f"Extracted: {dataset.attrs['extract_rule']}")
