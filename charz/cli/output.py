"""What every command prints: a readable table, or one JSON object with the same numbers."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import typer

PIPE_WIDTH = 132
EXIT_DONE = 0
EXIT_BAD_INPUT = 2
EXIT_NOT_TRUSTWORTHY = 3


class Report:
    """Collects what a command says; `finish` prints it once and sets the exit code.

    Parameters
    ----------
    as_json : bool
        Print one JSON object on standard output instead of tables; remarks then go to standard error.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._warnings: list[str] = []

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; numbers are right-aligned and shown with four significant digits."""
        if self.as_json:
            return
        from rich.table import Table
        from rich.text import Text

        rows = [tuple(row) for row in rows]
        table = Table(header_style="bold")
        for index, column in enumerate(columns):
            numeric = any(isinstance(row[index], int | float) for row in rows)
            table.add_column(column, justify="right" if numeric else "left")
        for row in rows:
            # As Text: a name such as floor[wire-01] is not markup.
            table.add_row(*(Text(format_value(value)) for value in row))
        console = _console(stderr=False)
        # Printed by itself: as a title of the table it would wrap at the table's width.
        console.print(Text(title, style="italic"), soft_wrap=True)
        console.print(table)

    def say(self, text: str) -> None:
        """Print a line of plain text (standard error when JSON is wanted)."""
        _console(stderr=self.as_json).print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on standard error and repeat it under ``warnings`` in the JSON."""
        self._warnings.append(text)
        _console(stderr=True).print(
            f"warning: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True
        )

    def finish(self, result: dict[str, Any], trustworthy: bool = True) -> NoReturn:
        """Print the JSON object if it is wanted, then leave with exit code 0 or 3 (not trustworthy)."""
        if self.as_json:
            result = {**result, "warnings": self._warnings}
            typer.echo(json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False))
        raise typer.Exit(EXIT_DONE if trustworthy else EXIT_NOT_TRUSTWORTHY)


def format_value(value: object) -> str:
    """Show a number with four significant digits, everything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _console(stderr: bool) -> Any:
    from rich.console import Console

    console = Console(stderr=stderr)
    if not console.is_terminal:
        # A file or a pipe has no width to fit into; 80 columns would cut names short.
        console.width = PIPE_WIDTH
    return console


def plain(value: Any) -> Any:
    """Replace NumPy values by Python ones and non-finite numbers by null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
