"""Start of the command line: `charz --help` against Python's own start; second runs with programs in the cache.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_start_up.py --benchmark-enable

writes the table of second runs anew: seconds from the start of the process to the start of the work, everything
imported and read (aim: under 3 s), to its first sign of progress, and to the end.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import charz
from charz.datasets import simulate_wires, write_lab_csv

TABLE = Path(__file__).parents[1] / "results" / "benchmark-start-up.md"
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "charz --help": [sys.executable, "-c", "from charz.cli import main; main()", "--help"],
}
TRAIN = "train --scheme mean-variance --device mean-wire --data digits --num-reads 64 --epochs 5 --repeats 1 -o run.nc"
# Command line, and where its work begins: module and function.
WORK = {
    "charz fit, NUTS, 24 wires": (
        "fit wires.nc --model logistic --pool hierarchical --draws 100 --warmup 100 -o posterior.nc",
        ("charz.fitting.sampling", "find_modes"),
    ),
    "charz fit, marginal, 24 wires": (
        "fit wires.nc --model logistic-plain --pool hierarchical --method marginal --draws 100 -o posterior.nc",
        ("charz.fitting.run", "integrate"),
    ),
    "charz train, digits": (TRAIN, ("charz.learning", "train")),
}
# The command line as it is, with a clock at the two places. Progress is counted by Rich.
CLOCKED = """
import time
began = time.perf_counter()
import importlib, json, sys
from charz.compilation_cache import keep_compiled_programs
keep_compiled_programs()
import rich.progress
from charz.cli import main
seen = {}

def clocked(owner, name, sign):
    function = getattr(owner, name)

    def timed(*arguments, **options):
        if sign == "work" or arguments[1:] or options:
            seen.setdefault(sign, time.perf_counter() - began)
        return function(*arguments, **options)

    setattr(owner, name, timed)

module, name = sys.argv.pop(1), sys.argv.pop(1)
clocked(importlib.import_module(module), name, "work")
clocked(rich.progress.Progress, "advance", "progress")
clocked(rich.progress.Progress, "update", "progress")
try:
    main()
finally:
    print("SEEN", json.dumps({**seen, "end": time.perf_counter() - began}), file=sys.stderr)
"""
measured: dict[tuple[str, str], dict[str, float]] = {}


@pytest.mark.benchmark(group="start-up")
@pytest.mark.parametrize("name", COMMANDS)
def test_start(benchmark, name):
    done = benchmark.pedantic(
        subprocess.run, args=(COMMANDS[name],), kwargs={"capture_output": True}, rounds=3
    )
    assert done.returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the demo's wires."""
    folder = tmp_path_factory.mktemp("start")
    write_lab_csv(folder / "wires.csv", simulate_wires(jax.random.key(0)))
    columns = {"device": "wire", "amplitude": "control_w", "num_switched": "num_passed"}
    data = charz.read(folder / "wires.csv", "pulse_switching", columns, units={"amplitude": "arb"})
    charz.save(data, folder / "wires.nc")
    return folder


@pytest.mark.parametrize("name", WORK)
def test_second_runs(request, folder, name):
    """The second run, of the same command on data of the same shape, waits for no compiler."""
    if not request.config.option.benchmark_enable:
        pytest.skip("takes a minute; run with --benchmark-enable")
    command, place = WORK[name]
    environment = {**os.environ, "CHARZ_COMPILATION_CACHE": str(folder / "cache")}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # set by JAX in this process, and in no user's shell
    for run in ("first", "second"):
        done = subprocess.run(
            [sys.executable, "-c", CLOCKED, *place, *command.split()],
            cwd=folder, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        assert "SEEN" in done.stderr, done.stderr
        measured[name, run] = json.loads(done.stderr.split("SEEN")[1])
        for made in ("posterior.nc", "run.nc"):
            (folder / made).unlink(missing_ok=True)
    print(name, measured[name, "first"], measured[name, "second"], flush=True)  # noqa: T201
    assert measured[name, "second"]["end"] < measured[name, "first"]["end"]


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and len(measured) == 2 * len(WORK)):
        pytest.skip(
            "times are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    lines = [
        f"# Start of commands, {len(os.sched_getaffinity(0))} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_start_up.py --benchmark-enable`.",
        "Seconds from the start of the process to the start of the work (search of a mode, or training; all is read),",
        "to its first sign of progress (100 steps of four chains, an epoch), and to the end; the second run on data of",
        "the same shape finds its programs in the cache. Only of a quiet machine do these mean anything: load average",
        f"at the end {os.getloadavg()[1]:.1f}, of which 1 to 2 its own.",
        "",
        "| command | run | work starts | progress | end |",
        "|---|---|---|---|---|",
    ]
    for (name, run), seen in measured.items():
        lines.append(f"| {name} | {run} | {seen['work']:.1f} | {seen['progress']:.1f} | {seen['end']:.1f} |")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
