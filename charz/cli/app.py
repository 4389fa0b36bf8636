"""The `charz` application: registers the commands and turns bad input into one line and exit code 2."""

import importlib
import sys

import typer

from charz.cli.output import EXIT_BAD_INPUT
from charz.errors import CharzError

# name of the command: module that defines it as a function of the same name
COMMANDS = ("convert", "inspect", "fit", "check", "train", "predict", "demo")

app = typer.Typer(
    name="charz",
    help="From measured switching data to a network's accuracy with its uncertainty.",
    epilog="Exit codes: 0 done, 2 bad input or usage, 3 done but not trustworthy (not converged, failed check).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        from charz import __version__

        typer.echo(f"charz {__version__}")
        raise typer.Exit


for _name in COMMANDS:
    app.command(_name)(getattr(importlib.import_module(f"charz.cli.{_name}"), _name))


def main() -> None:
    """Run the command line; a `CharzError` or a missing file becomes one line on stderr and exit code 2."""
    try:
        app()
    except (CharzError, OSError) as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"charz: error: {message}\n")
        sys.exit(EXIT_BAD_INPUT)
