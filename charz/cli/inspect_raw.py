"""What `charz inspect` shows of a laboratory file: its tables, as a reader finds them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charz.cli.output import Report

if TYPE_CHECKING:
    from charz.readers import Table

SHOWN_ROWS = 5
SHOWN_TABLES = 6
SHOWN_COLUMNS = 40


def inspect_raw(report: Report, file: Path, reader: str | None) -> dict[str, Any]:
    """Print the tables of a laboratory file.

    Returns
    -------
    dict
        Of type ``table`` where there is one; of type ``tables``, with a list of them, where there are several.

    Raises
    ------
    ReadError
        When no reader recognises the file, or it is damaged.
    """
    from charz.readers import open_tables

    tables = open_tables(file, reader)
    described = [_describe(table) for table in tables]
    for table in described[:SHOWN_TABLES]:
        _print(report, file, table)
    if len(described) > SHOWN_TABLES:
        report.say(f"... and {len(described) - SHOWN_TABLES} tables more (all of them with --json)")
    # Many tables of one file have the same remark; it is said once, with the tables that have it.
    remarks: dict[str, list[str]] = {}
    for table in described:
        for remark in table["remarks"]:
            remarks.setdefault(remark, []).append(table["name"])
    for remark, names in remarks.items():
        report.warn(f"{_names(names)}{remark}")
    if len(described) == 1:
        return {"type": "table", **described[0]}
    return {"type": "tables", "num_tables": len(described), "tables": described}


def _describe(table: "Table") -> dict[str, Any]:
    columns = []
    for index, column in enumerate(table.columns):
        item: dict[str, Any] = {"source": f"@{index + 1}", "name": column.name, "unit": column.unit}
        if column.group is not None:
            item["group"] = column.group
        columns.append({**item, "first": table.texts(index, SHOWN_ROWS)})
    return {
        "name": table.name,
        "num_rows": len(table.rows),
        "dialect": dict(table.dialect),
        "columns": columns,
        "metadata": list(table.attrs.get("metadata", [])),
        "units_missing": [item["source"] for item in columns if not item["unit"]],
        "remarks": list(table.remarks),
    }


def _print(report: Report, file: Path, table: Mapping[str, Any]) -> None:
    from charz.cli.inspect import shorten

    columns = table["columns"]
    place = f"{file.name}, {table['name']}" if table["name"] else file.name
    report.say(f"{place}: {table['num_rows']} rows, {len(columns)} columns")
    if table["dialect"]:
        report.table(
            "dialect",
            ("recognised", "value"),
            [(name, "none" if value is None else value) for name, value in table["dialect"].items()],
        )
    report.table(
        "columns",
        ("source", "header", "unit", "first rows"),
        [
            (item["source"], _header(item), item["unit"] or "not stated", shorten(item["first"]))
            for item in columns[:SHOWN_COLUMNS]
        ],
    )
    if len(columns) > SHOWN_COLUMNS:
        report.say(f"... and {len(columns) - SHOWN_COLUMNS} columns more (all of them with --json)")
    if lines := table["metadata"]:
        report.table(
            "lines outside the table", ("text",), [(shorten(line),) for line in lines[:SHOWN_COLUMNS]]
        )
        if len(lines) > SHOWN_COLUMNS:
            report.say(f"... and {len(lines) - SHOWN_COLUMNS} lines more (all of them with --json)")
    if missing := table["units_missing"]:
        report.say(
            f"Units are not stated for {len(missing)} of {len(columns)} columns. 'charz convert' needs, for "
            "each that "
            "you use: --column NAME=SOURCE --unit NAME=UNIT"
        )


def _header(column: Mapping[str, Any]) -> str | None:
    """Name with the group above it, as `--column` takes it."""
    if column.get("group") is None or column["name"] is None:
        return column.get("group") or column["name"]
    return f"{column['group']}.{column['name']}"


def _names(names: list[str]) -> str:
    named = [name for name in names if name]
    if not named:
        return ""
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"{', '.join(named[:3])}{more}: "
