"""The `charz` application: registers the commands and turns bad input into one line and exit code 2."""

import importlib
import sys
from typing import NoReturn

import typer

from charz.cli.output import EXIT_BAD_INPUT
from charz.compilation_cache import keep_compiled_programs
from charz.errors import CharzError

# name of the command: module that defines it as a function of the same name
COMMANDS = (
    "describe", "convert", "inspect", "extract", "priors", "fit", "check", "compare", "train", "predict", "energy",
    "plan", "reproduce", "demo",
)  # fmt: skip

app = typer.Typer(
    name="charz",
    help="From measured switching data to a network's accuracy with its uncertainty.",
    epilog="Exit codes: 0 done, 2 bad input or usage, 3 not trustworthy (not converged, failed check).",
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
    """Run the command line; bad input and wrong usage become one line on stderr and exit code 2."""
    keep_compiled_programs()
    try:
        code = app(standalone_mode=False)
    except (CharzError, OSError) as error:
        _leave(str(error))
    except typer.TyperException as error:
        if len(sys.argv) == 1:
            app(["--help"])
        _leave(f"{error.format_message()} See 'charz {_command()}--help'")
    sys.exit(code if isinstance(code, int) else 0)


def _command() -> str:
    """Name of the command on the command line, followed by a blank; empty where there is none."""
    return f"{sys.argv[1]} " if len(sys.argv) > 1 and sys.argv[1] in COMMANDS else ""


def _leave(message: str) -> NoReturn:
    sys.stderr.write(f"charz: error: {' '.join(message.split())}\n")
    sys.exit(EXIT_BAD_INPUT)
