"""The application: help, version, exit codes, and a quick start."""

import subprocess
import sys

import pytest

import charz
from charz.cli.app import COMMANDS, main


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["charz", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code, capsys.readouterr()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(monkeypatch, capsys, arguments):
    code, captured = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert all(command in captured.out for command in COMMANDS)
    assert "3 not trustworthy" in captured.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(monkeypatch, capsys, command):
    code, captured = run(monkeypatch, capsys, command, "--help")
    assert code == 0
    assert "--json" in captured.out


def test_version(monkeypatch, capsys):
    code, captured = run(monkeypatch, capsys, "--version")
    assert (code, captured.out) == (0, f"charz {charz.__version__}\n")


def test_help_imports_nothing_heavy():
    heavy = "('jax', 'xarray', 'numpy', 'pint', 'matplotlib', 'numpyro')"
    code = f"import sys, charz.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
