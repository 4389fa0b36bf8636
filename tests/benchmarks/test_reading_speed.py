"""Speed and memory of reading: a long CSV against libraries that only read it, and a Parquet trace in blocks.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_reading_speed.py --benchmark-enable

writes the table anew, with the sizes of the acceptance point (1e7 rows, 1e8 samples). By default everything runs
once on small files, untimed, so that the benchmarks stay alive. `pip install -e '.[test,benchmarks]'` brings the
libraries; those that are absent are left out of the comparison.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from charz.conversion import convert
from charz.store import opened

TABLE = Path(__file__).parents[1] / "results" / "benchmark-reading.md"
COLUMNS = {"elapsed": "time", "signal": "signal"}
BLOCK = 1_000_000
ROUNDS = 7
MEMORY_BOUND = 2 * 10**9
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def sizes(request):
    """Rows of the CSV and samples of the Parquet trace."""
    return (10_000_000, 100_000_000) if request.config.option.benchmark_enable else (300_000, 3_000_000)


@pytest.fixture(scope="module")
def table(sizes, tmp_path_factory):
    """Two columns of numbers as instruments write them, with a header."""
    path = tmp_path_factory.mktemp("csv") / "trace.csv"
    rng = np.random.default_rng(0)
    with path.open("wb") as stream:
        stream.write(b"time (s),signal (V)\n")
        for start in range(0, sizes[0], BLOCK):
            time = np.arange(start, min(start + BLOCK, sizes[0])) * 1e-6
            block = pa.table({"time": time, "signal": rng.normal(size=time.size).round(6)})
            csv.write_csv(block, stream, csv.WriteOptions(include_header=False))
    path.read_bytes()  # every reader finds the file in memory
    return path


def readers():
    """Libraries that read a CSV into memory, as their documentation shows it."""
    found = {"pyarrow": csv.read_csv}
    for name, make in {
        "polars": lambda polars: polars.read_csv,
        "pandas": lambda pandas: pandas.read_csv,
        "pandas, engine pyarrow": lambda pandas: lambda path: pandas.read_csv(path, engine="pyarrow"),
        "duckdb": lambda duckdb: lambda path: duckdb.sql(f"select * from read_csv('{path}')").fetchnumpy(),
    }.items():
        try:
            found[name] = make(importlib.import_module(name.partition(",")[0]))
        except ImportError:
            continue
    return found


@pytest.mark.benchmark(group="CSV, two columns")
@pytest.mark.parametrize("name", readers())
def test_a_library_reads(benchmark, table, name):
    benchmark.pedantic(readers()[name], args=(table,), rounds=ROUNDS, warmup_rounds=1)
    if benchmark.stats is not None:
        measured[name] = benchmark.stats.stats.median


@pytest.mark.benchmark(group="CSV, two columns")
def test_charz_converts(benchmark, table, tmp_path):
    output = tmp_path / "trace.nc"

    def fresh():
        output.unlink(missing_ok=True)
        return (table, output, "telegraph", COLUMNS), {}

    benchmark.pedantic(convert, setup=fresh, rounds=ROUNDS, warmup_rounds=1)
    assert output.stat().st_size > 0
    if benchmark.stats is not None:
        measured["charz convert"] = benchmark.stats.stats.median


SCRIPT = """
import json, sys, time
from pathlib import Path
from charz.conversion import convert
start = time.perf_counter()
convert(sys.argv[1], sys.argv[2], "telegraph", units={"signal": "mV"})
seconds = time.perf_counter() - start
# The peak of this program alone: what getrusage tells includes the process that started it.
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "peak": int(line.split()[1]) * 1024}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_parquet_trace_converts_in_bounded_memory(sizes, tmp_path, share):
    """In a process of its own, so that the peak is that of the conversion; a quarter of the file tells the slope."""
    samples, rng = int(sizes[1] * share), np.random.default_rng(1)
    path, output = tmp_path / "trace.parquet", tmp_path / "trace.nc"
    schema = pa.schema([pa.field("signal", pa.float64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, samples, BLOCK):
            size = min(BLOCK, samples - start)
            level = np.cumsum(rng.random(size) < 1e-3) % 2
            writer.write_table(pa.table([pa.array(level + 0.1 * rng.normal(size=size))], schema=schema))
    command = [sys.executable, "-c", SCRIPT, str(path), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=True)
    result = json.loads(done.stdout)
    assert result["peak"] < MEMORY_BOUND
    with opened(output) as dataset:
        assert dataset.sizes["time"] == samples
    measured[f"parquet seconds {share}"] = result["seconds"]
    measured[f"parquet peak {share}"] = result["peak"]
    measured["samples"] = samples


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and "charz convert" in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    libraries = {name: value for name, value in measured.items() if name in readers()}
    fastest = min(libraries, key=lambda name: libraries[name])
    own = measured["charz convert"]
    rows = {**libraries, "charz convert (read, check, SHA-256, write netCDF)": own}
    lines = [
        f"# Reading, {os.cpu_count()} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_reading_speed.py --benchmark-enable`.",
        "",
        f"CSV of 1e7 rows and two columns, median of {ROUNDS} rounds, file in memory. The libraries only read it.",
        "",
        "| | seconds | speed against the fastest library |",
        "|---|---|---|",
        *(f"| {name} | {value:.2f} | {libraries[fastest] / value:.2f} |" for name, value in rows.items()),
        "",
        f"Fastest library: {fastest}. Target: charz converts at 0.60 of its speed or more; "
        f"here {libraries[fastest] / own:.2f}.",
        "",
        "Parquet telegraph trace to netCDF, in a process of its own (its imports are in the memory, not in the time):",
        "",
        "| samples | seconds | peak memory |",
        "|---|---|---|",
        *(
            f"| {measured['samples'] * share:.3g} | {measured[f'parquet seconds {share}']:.1f} | "
            f"{measured[f'parquet peak {share}'] / 1e6:.0f} MB |"
            for share in (0.25, 1.0)
        ),
        "",
        f"Target: below {MEMORY_BOUND / 1e9:.0f} GB at 1e8 samples.",
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
