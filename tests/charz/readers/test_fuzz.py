"""Fuzzing of all readers; the mutations and what counts as an outcome stand in `fuzz.py`.

The default suite reads a few hundred files of each reader; the slow run reads more than 20,000, and

    CHARZ_WRITE_RESULTS=1 pytest -m slow tests/charz/readers/test_fuzz.py

writes its counts into the table in `tests/results`.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "results" / "fuzz-readers.md"
SCRIPT = HERE / "fuzz.py"
sys.path.insert(0, str(HERE))
from fuzz import load_examples  # noqa: E402 - a script beside the test, which no package holds

sys.path.remove(str(HERE))
CASES = [(reader, example.name) for reader, examples in load_examples().items() for example in examples]
QUICK = 40
TOTAL = 26_000


def fuzz(reader, example, count, folder, seconds):
    command = [sys.executable, str(SCRIPT), reader, example, str(count), "1", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{reader}, {example}: hangs; the file is {folder / 'mutated'}")
    assert done.returncode == 0, f"{reader}, {example}, file {folder / 'mutated'}:\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("reader", sorted({reader for reader, _ in CASES}))
def test_a_few_mutations_of_every_format(reader, tmp_path):
    example = next(name for one, name in CASES if one == reader)
    result = fuzz(reader, example, QUICK, tmp_path, 120)
    assert result["distinct"] > QUICK / 2


@pytest.mark.slow
def test_many_mutations_of_every_format(tmp_path):
    count = -(-TOTAL // len(CASES))

    def one(number):
        reader, example = CASES[number]
        return fuzz(reader, example, count, tmp_path / str(number), 3600)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, range(len(CASES))))
    distinct = sum(result["distinct"] for result in results)
    assert distinct >= 20_000
    if os.environ.get("CHARZ_WRITE_RESULTS"):
        write_table(results, distinct)


def write_table(results, distinct):
    lines = [
        "# Mutated files of every reader",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest -m slow tests/charz/readers/test_fuzz.py`.",
        "",
        f"{distinct} different files, each opened by content and by the reader's name, every column read as "
        "numbers and as text, and converted to five kinds. Of archives (xlsx, npz) the files inside are mutated "
        "too. No other outcome than a table, a validated dataset or one clear line occurred; none took 10 s, none "
        "needed more than 10 × its size + 500 MB.",
        "",
        "| reader | example | files | datasets | columns of numbers | refusals | slowest (s) | memory (MB) |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r['reader']} | {r['example']} | {r['distinct']} | {r.get('dataset', 0)} | {r.get('numbers', 0)} | "
            f"{r.get('refused', 0)} | {r['slowest']:.2f} | {r['memory'] / 1e6:.0f} |"
            for r in results
        ),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
