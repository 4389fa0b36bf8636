"""`charz convert`: laboratory files in, one validated netCDF dataset in SI out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charz.cli.output import Report
from charz.errors import CharzError, ReadError

if TYPE_CHECKING:
    import xarray as xr

_KIND_HELP = (
    "What was measured: pulse_switching (counts or single trials of pulses), ramp_switching, telegraph, "
    "pulse_train, iv_sweep, retention, transfer or hysteresis."
)
_COLUMN_HELP = (
    "Which column is which variable, once for each: 'amplitude=V_WL' (text of the header cell) or "
    "'amplitude=@4' "
    "(fourth column). Variables of the kind (amplitude, width, num_trials, num_switched, ...), 'device', "
    "'cycle', "
    "'switched' (0/1), or a name of your own. A header cell that is spelled like a variable needs no flag."
)
_UNIT_HELP = (
    "Unit in which the file states a variable, once for each: 'amplitude=mV', 'width=ns', 'r_after=kohm', "
    "'field=Oe', 'x=1' (no dimension), 'amplitude=arb' (not known). Stored in SI. Never guessed."
)
_WHERE_HELP = (
    "Use only rows where this holds, for example 'r_before > 30e3 and amplitude <= 2.5'. Numbers are in "
    "the file's "
    "own units, as given by --unit; names are those of --column or header cells."
)
_SWITCHED_HELP = (
    "When a trial counts as switched, for files with one trial a row, for example 'r_after < 20e3' (file's "
    "own units)."
)


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC...", help="Laboratory files; each is one device unless a column says which."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.nc", help="Dataset to write (netCDF, SI units).")
    ],
    experiment: Annotated[str, typer.Option(metavar="KIND", help=_KIND_HELP)],
    column: Annotated[list[str] | None, typer.Option(metavar="NAME=SOURCE", help=_COLUMN_HELP)] = None,
    unit: Annotated[list[str] | None, typer.Option(metavar="NAME=UNIT", help=_UNIT_HELP)] = None,
    where: Annotated[str | None, typer.Option(metavar="EXPR", help=_WHERE_HELP)] = None,
    switched: Annotated[str | None, typer.Option(metavar="EXPR", help=_SWITCHED_HELP)] = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="File format, where the content does not tell: delimited."),
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="Device family, kept as an attribute: domain-wall, rram, mtj, ...")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="KELVIN", help="Temperature in kelvin, kept as an attribute.")
    ] = None,
    instrument: Annotated[str | None, typer.Option(help="Instrument, kept as an attribute.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Convert laboratory files into one dataset in SI units, with its sources and rules recorded."""
    columns = parse_pairs(column or (), "--column", "amplitude=@4")
    units = parse_pairs(unit or (), "--unit", "amplitude=mV")
    refuse_output(output, sources)
    from charz.cli.inspect import describe_dataset, print_dataset
    from charz.readers import read
    from charz.store import save

    report = Report(as_json)
    dataset = read(
        sources,
        experiment,
        columns,
        units,
        where=where,
        switched=switched,
        reader=reader,
        device_family=family,
        temperature=temperature,
        instrument=instrument,
    )
    save(dataset, output)
    summary = describe_dataset(dataset)
    print_dataset(report, f"{output} ({experiment})", summary, attributes=False)
    _say_rows(report, dataset)
    report.say(f"Written: {output}")
    report.finish({"output": str(output), **summary})


def parse_pairs(pairs: Sequence[str], flag: str, example: str) -> dict[str, str]:
    """Split ``NAME=VALUE`` arguments.

    Raises
    ------
    CharzError
        When a pair has no name or no value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not name or not equals or not value:
            raise CharzError(f"{flag} {pair!r} is not NAME=VALUE; write for example {flag} {example}")
        if not name.isidentifier():
            raise CharzError(
                f"{flag} {pair!r}: the name {name!r} must be a word of letters, digits and _, so that "
                "expressions "
                f"can use it; write for example {flag} {example}"
            )
        if name in found:
            raise CharzError(
                f"{flag} {name}={value}: {name!r} was already given as {found[name]!r}; give it once"
            )
        found[name] = value
    return found


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
    """Say how many rows were used and what was left out: nothing is dropped silently."""
    read, kept = dataset.attrs["num_rows_read"], dataset.attrs["num_rows_kept"]
    if "where_rule" in dataset.attrs:
        report.say(f"Rows: {kept} of {read} kept by --where '{dataset.attrs['where_rule']}'")
    else:
        report.say(f"Rows: {read}")
    if unused := dataset.attrs.get("unused_columns"):
        report.say(f"Columns not used: {', '.join(unused)}")
