"""The options of `convert` and `describe` that say what a file does not: the keys of a description, as flags."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from charz.errors import CharzError

Experiment = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="What was measured: pulse_switching (counts or single trials of pulses), ramp_switching, telegraph, "
        "pulse_train, iv_sweep, retention, transfer or hysteresis.",
    ),
]
DescriptionFile = Annotated[
    Path | None,
    typer.Option(
        "--description",
        "-d",
        metavar="FILE.toml",
        help="Measurement description with these options as keys ('charz describe FILE' writes a draft); "
        "charz.toml beside the data is found by itself. Options win over it.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=SOURCE",
        help="Which column is which variable, once for each: 'amplitude=V_WL' (text of the header cell), "
        "'amplitude=@4' (fourth column), 'voltage=@1..@7' or 'voltage=Input *' (electrodes). Variables of the kind, "
        "'device', 'cycle', 'switched' (0/1), or a name of your own. A header cell that is spelled like a variable "
        "needs no flag.",
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        metavar="NAME=UNIT",
        help="Unit in which the file states a variable, once for each: 'amplitude=mV', 'width=ns', 'r_after=kohm', "
        "'field=Oe', 'x=1' (no dimension), 'amplitude=arb' (not known). Stored in SI. Never guessed.",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="EXPR",
        help="Use only rows where this holds, for example 'r_before > 30e3 and amplitude <= 2.5'. Numbers are in the "
        "file's own units, as given by --unit; names are those of --column or header cells.",
    ),
]
Switched = Annotated[
    str | None,
    typer.Option(
        metavar="EXPR",
        help="When a trial counts as switched, for files with one trial a row, for example 'r_after < 20e3' (file's "
        "own units).",
    ),
]
Mask = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=EXPR",
        help="When a value counts as missing, for example 'current=abs(current) > 1' (file's own units). Masked "
        "values are counted.",
    ),
]
Derive = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=EXPR",
        help="A variable computed from others, in SI, for example 'conductance=current / voltage'.",
    ),
]
Constant = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=QUANTITY",
        help="A quantity that no column holds, for example 'series_resistance=5 kohm'.",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Names of the columns of a file without header, 'addr,width,v_bl'; end with ',...' if more may follow.",
    ),
]
PathPattern = Annotated[
    str | None,
    typer.Option(
        "--path", metavar="PATTERN", help="What the path says, for example '{radius}um/{amplitude}V_*.csv'."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the device, for example 'M12' or '{die}_{sample}'."),
]
Cycle = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Number of the cycle, for example '{run}'.")
]
TableName = Annotated[
    list[str] | None,
    typer.Option(
        "--table", metavar="NAME", help="Which tables of a file (sheets, runs), for example 'Run*'."
    ),
]
Tables = Annotated[
    str | None,
    typer.Option(metavar="cycle|device", help="What the tables of one file are, where it has several."),
]
ReaderName = Annotated[
    str | None,
    typer.Option(
        "--reader",
        metavar="NAME",
        help="File format, where the content does not tell: delimited, excel, keithley, hdf5, ... (a wrong name "
        "lists all).",
    ),
]
FewValues = Annotated[
    bool,
    typer.Option("--few-values", help="Accept readings of a few exact values, as a stimulus programme has."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of a description, in TOML: 'wide.values=[\"r\"]', 'join.file=\"total.csv\"', "
        "'files=[\"*.csv\"]'.",
    ),
]
Family = Annotated[
    str | None, typer.Option(help="Device family, kept as an attribute: domain-wall, rram, mtj, ...")
]
Temperature = Annotated[
    float | None, typer.Option(metavar="KELVIN", help="Temperature in kelvin, kept as an attribute.")
]
Instrument = Annotated[str | None, typer.Option(help="Instrument, kept as an attribute.")]


def parse_pairs(pairs: Sequence[str] | None, flag: str, example: str) -> dict[str, str] | None:
    """Split ``NAME=VALUE`` arguments; None where there are none.

    Raises
    ------
    CharzError
        When a pair has no name or no value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
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
    return found or None


def parse_sets(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Keys of a description from ``KEY=VALUE`` in TOML.

    Raises
    ------
    CharzError
        When the text is no TOML, with what it should look like.
    """
    if not pairs:
        return {}
    try:
        return tomllib.loads("\n".join(pairs))
    except (ValueError, RecursionError) as error:
        raise CharzError(
            f"--set {' --set '.join(pairs)}: not TOML ({error}); write for example --set 'wide.values=[\"r\"]' with "
            "texts in quotes"
        ) from error
