"""README.md is kept honest: its commands exist, its example runs."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import pytest
import typer

from charz.cli.app import COMMANDS, app, main
from charz.datasets.simulate import simulate_wires, wires_dataset
from charz.description import description_from
from charz.fitting.planning import load_candidates
from charz.fitting.registry import family_of
from charz.kinds import KINDS
from charz.readers.mapping import request_from

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


LINES = [line for block in blocks("bash") for line in block.splitlines()]
CHARZ_LINES = [line for line in LINES if line.startswith("charz ")]


@pytest.mark.parametrize("program", ["charz demo", "pytest"])
def test_command_that_installs_and_runs_stands_alone_on_its_line(program):
    assert LINES.count(INSTALL + program) == 1


def test_a_line_for_every_command_but_demo():
    assert {shlex.split(line)[1] for line in CHARZ_LINES} == set(COMMANDS) - {"demo"}


@pytest.mark.parametrize("line", CHARZ_LINES)
def test_command_line_parses(line):
    name, *arguments = shlex.split(line)[1:]
    command = typer.main.get_command(app).commands[name]
    # Parses names, types and counts of options and runs nothing; what is wrong is raised.
    command.make_context(name, arguments)


def test_unknown_option_would_be_noticed():
    command = typer.main.get_command(app).commands["fit"]
    with pytest.raises(typer.TyperException, match="--no-such-option"):
        command.make_context("fit", ["data.nc", "-o", "posterior.nc", "--no-such-option"])


COST = [text for text in blocks("toml") if "[cell]" in text]
CANDIDATES = [text for text in blocks("toml") if "[candidates." in text]
DESCRIPTIONS = [text for text in blocks("toml") if text not in COST + CANDIDATES]


def test_candidates_example_is_valid(tmp_path):
    wires = wires_dataset(simulate_wires(jax.random.key(0), num_wires=3))
    (tmp_path / "candidates.toml").write_text(*CANDIDATES, encoding="utf-8")
    more, flank = load_candidates(tmp_path / "candidates.toml", family_of("logistic").observe(wires))
    assert (more.devices, flank.num_trials) == (8, 200)


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_measurement_description_is_valid(text):
    said = description_from(tomllib.loads(text), "README.md")
    assert said.experiment in KINDS
    request_from(KINDS[said.experiment], said)


def test_energy_example_runs(tmp_path, monkeypatch, capsys):
    """On the result of the command of the README that trains it, cut short."""
    (energy,) = (line for line in CHARZ_LINES if line.startswith("charz energy"))
    (training,) = (line for line in CHARZ_LINES if line.endswith(f"-o {shlex.split(energy)[2]}"))
    monkeypatch.chdir(tmp_path)
    Path("cost.toml").write_text(*COST, encoding="utf-8")
    for line in (f"{training} --network 10 --epochs 1 --repeats 1", energy):
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as leaving:
            main()
        assert leaving.value.code == 0, line
    said = capsys.readouterr().out
    assert all(word in said for word in ("J an inference", "stated", "assumed"))
    assert Path("energy.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_linked_file_exists(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:charz|fitting|learning)/[\w/.]+)`", README))))
def test_named_source_exists(path):
    assert (ROOT / path).exists()


def test_example_runs(tmp_path):
    (example,) = blocks("python")
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "converged: largest R-hat" in done.stdout
    assert "variance_parameters" in done.stdout
