"""Telegraph records too long for memory: time and memory of a whole fit against samples, from Parquet to posterior.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_long_telegraph.py --benchmark-enable

fits 2.5e7, 5e7 and 1e8 samples of one device, and hierarchies of four, each step a process of its own, and writes the
table anew.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

TABLE = Path(__file__).parents[1] / "results" / "telegraph-long.md"
FLIP, SEPARATION, NOISE, INTERVAL = 0.02, 1e-3, 1.5e-4, 1e-6
SIZES = (25_000_000, 50_000_000, 100_000_000)
# Four devices, whose rates differ.
FLIPS, SIZES_OF_FOUR = (0.015, 0.018, 0.022, 0.028), (6_250_000, 25_000_000)
BLOCK = 5_000_000
MEMORY_BOUND = 2000  # MB, of a whole process
# Runs the command line and says what it took: seconds, seconds of CPU, and the peak of memory in MB.
TIMED = """
import json, resource, sys, time
from charz.cli.app import main
began = time.perf_counter()
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = (time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    print("TOOK", json.dumps(took), file=sys.stderr)
"""


def rate_of(flip):
    return -np.log1p(-2 * flip) / 2 / INTERVAL


def write_trace(path, size, flip=FLIP, seed=0):
    """Two levels seven standard deviations apart, in blocks."""
    generator, state = np.random.default_rng(seed), 0
    schema = pa.schema([pa.field("signal (V)", pa.float64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, size, BLOCK):
            number = min(BLOCK, size - start)
            states = (state + np.cumsum(generator.random(number) < flip)) % 2
            signal = SEPARATION * states + NOISE * generator.standard_normal(number)
            writer.write_table(pa.table({"signal (V)": signal}, schema=schema))
            state = int(states[-1])


def charz(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.split("TOOK")[1]), done.stdout


@pytest.fixture
def fitted(tmp_path):
    def run(size, flips=(FLIP,)):
        names = [f"d{number}.parquet" for number in range(len(flips))]
        for number, (name, flip) in enumerate(zip(names, flips, strict=True)):
            write_trace(tmp_path / name, size, flip, number)
        convert = ("convert", *names, "-o", "trace.nc", "--experiment", "telegraph", "--constant")
        conversion, _ = charz(tmp_path, *convert, f"sample_interval={INTERVAL} s")
        fit = ("fit", "trace.nc", "--model", "two-state", "-o", "posterior.nc", "--json")
        fitting, out = charz(tmp_path, *fit)
        return conversion, fitting, json.loads(out)

    return run


def test_long_records(request, fitted):
    if not request.config.option.benchmark_enable:
        pytest.skip("takes minutes and gigabytes of disk; run with --benchmark-enable")
    rows = []
    for size in SIZES:
        conversion, fitting, found = fitted(size)
        for name, truth in (("separation", SEPARATION), ("rate_up", rate_of(FLIP))):
            numbers = found["parameters"][name]
            assert abs(numbers["mean"] - truth) < 5 * numbers["sd"]
        rows.append(row("1", size, conversion, fitting, [found["parameters"]["rate_up"]]))
    for size in SIZES_OF_FOUR:
        conversion, fitting, found = fitted(size, FLIPS)
        rates = [found["parameters"]["rate_up"][f"d{number}"] for number in range(len(FLIPS))]
        for numbers, flip in zip(rates, FLIPS, strict=True):
            assert abs(numbers["mean"] - rate_of(flip)) < 5 * numbers["sd"]
        rows.append(row("4, one population", size, conversion, fitting, rates))
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        TABLE.write_text(table(rows), encoding="utf-8")


def row(devices, size, conversion, fitting, rates):
    """Line of the table; the bound of memory holds for every process."""
    told = ", ".join(f"{rate['mean']:.0f} ± {rate['sd']:.0f}" for rate in rates)
    line = (
        f"| {devices} | {size:.2g} | {conversion[0]:.0f} ({conversion[1]:.0f}) | {conversion[2]:.0f} |"
        f" {fitting[0]:.0f} ({fitting[1]:.0f}) | {fitting[2]:.0f} | {told} |"
    )
    print(line, flush=True)  # noqa: T201
    assert max(conversion[2], fitting[2]) < MEMORY_BOUND
    return line


def table(rows):
    truth = ", ".join(f"{rate_of(flip):.0f}" for flip in FLIPS)
    lines = [
        "# Telegraph records that are read in chunks, 2 CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_long_telegraph.py --benchmark-enable`.",
        "`charz convert` from Parquet, and `charz fit --model two-state`, each a process of its own, with compilation:",
        "wall time (in brackets seconds of CPU, of both cores) and peak memory of the whole process.",
        "",
        f"True rates: {rate_of(FLIP):.0f}/s of the one, {truth} of the four, each device with so many samples.",
        "",
        "| devices | samples of each | convert (s) | memory (MB) | fit (s) | memory (MB) | rate up, 1/s |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"
