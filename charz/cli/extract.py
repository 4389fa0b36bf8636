"""`charz extract`: thresholds, dwells, increments and the like, drawn out of a dataset by a named rule."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from charz.cli.convert import refuse_output
from charz.cli.describing import parse_pairs
from charz.cli.output import Report
from charz.errors import CharzError

LIST = "list"
_OPTION_HELP = (
    "Option of the rule, once for each: 'at=maximum-current', 'read_voltage=0.3 V', 'crossed=r_after < 20e3'. "
    "Expressions use the dataset's variables in SI. 'charz extract list' shows all."
)


def extract(
    rule: Annotated[
        str,
        typer.Argument(metavar="RULE", help="What to draw out; 'list' shows all rules with their options."),
    ] = LIST,
    source: Annotated[
        Path | None,
        typer.Argument(metavar="IN.nc", help="Dataset made by `charz convert` or `charz extract`."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.nc", help="Dataset to write.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help=_OPTION_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Draw a physical quantity out of a dataset: thresholds, dwells, increments, coercive fields, drift."""
    report = Report(as_json)
    if rule == LIST:
        _print_rules(report)
    if source is None or output is None:
        raise CharzError(
            f"extract {rule}: needs a dataset and a file to write, charz extract {rule} IN.nc -o OUT.nc; "
            f"'charz extract {LIST}' shows the rules"
        )
    options = parse_options(option or ())
    refuse_output(output, [source])
    from charz.cli.inspect import describe_dataset, print_dataset
    from charz.extract import extract as run
    from charz.store import load, save

    dataset = run(load(source), rule, **options)
    save(dataset, output)
    summary = describe_dataset(dataset)
    print_dataset(report, f"{output} ({dataset.attrs['experiment']})", summary, attributes=False)
    report.say(f"Rule: {dataset.attrs['extract_rule']}")
    report.say(f"Written: {output}")
    report.finish({"output": str(output), "rule": rule, "options": options, **summary})


def parse_options(pairs: Sequence[str]) -> dict[str, float | int | bool | str]:
    """Read ``NAME=VALUE`` pairs; a value is a number or true/false where it looks like one, otherwise text."""
    found = parse_pairs(pairs, "--option", "'read_voltage=0.3 V'") or {}
    return {name: _value(text) for name, text in found.items()}


def _value(text: str) -> float | int | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            value: float | int = number(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return text


def _print_rules(report: Report) -> None:
    from charz.extract import EXTRACTORS

    rows: list[tuple[str, str, str, str, str]] = []
    for one in EXTRACTORS.values():
        gives = " or ".join((one.gives, *one.may_give))
        rows.append((one.name, ", ".join(one.takes), gives, "", one.summary))
        for name, meaning in one.options.items():
            rows.append(("", "", "", f"{name} *" if name in one.required else name, meaning))
    report.table(
        "Extraction rules (* must be given)", ("rule", "takes", "gives", "option", "what it is"), rows
    )
    report.finish(
        {
            "rules": {
                one.name: {
                    "summary": one.summary,
                    "takes": one.takes,
                    "gives": (one.gives, *one.may_give),
                    "options": dict(one.options),
                    "required": one.required,
                }
                for one in EXTRACTORS.values()
            }
        }
    )
