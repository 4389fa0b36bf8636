"""Start of the command line: CPU time of `charz --help` (aim: under half a second) against Python's own start."""

import subprocess
import sys

import pytest

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "charz --help": [sys.executable, "-c", "from charz.cli import main; main()", "--help"],
}


@pytest.mark.benchmark(group="start-up")
@pytest.mark.parametrize("name", COMMANDS)
def test_start(benchmark, name):
    done = benchmark.pedantic(
        subprocess.run, args=(COMMANDS[name],), kwargs={"capture_output": True}, rounds=3
    )
    assert done.returncode == 0
