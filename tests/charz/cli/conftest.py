"""The command line, run in this process."""

import shlex
import sys

import pytest

from charz.cli.app import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run charz in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(command, *more):
        monkeypatch.setattr(sys, "argv", ["charz", *shlex.split(command), *map(str, more)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return call


@pytest.fixture
def charz(monkeypatch, capsys):
    """Run charz where the test stands, an argument each; gives exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["charz", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        seen = capsys.readouterr()
        return leaving.value.code, seen.out, seen.err

    return call
