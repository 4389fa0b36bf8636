"""Mutated laboratory files, over all readers: each must end in tables and datasets, or in a `CharzError`.

Run as a script it takes one example and reads many mutations of it, in a process whose memory and time are watched
by `test_fuzz.py`::

    python tests/charz/readers/fuzz.py READER EXAMPLE COUNT SEED FOLDER

Hypothesis draws the mutations (with a fixed seed and no database), so every run reads the same files. Before a file
is read its bytes are kept in FOLDER, so that one that hangs or crashes the process can be looked at.
"""

import contextlib
import hashlib
import importlib.util
import io
import json
import resource
import sys
import time
import warnings
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import charz
from charz.errors import CharzError
from charz.kinds import KINDS
from charz.readers import Table, open_tables

HERE = Path(__file__).parent
FRAGMENTS = [
    *(bytes([letter]) for letter in b",;\t|\"\n\r#% -'@{}[]<>\x00\xff\x80"),
    *(
        b"1e999",
        b"-1e-999",
        b"nan",
        b"inf",
        b"1_0",
        b"(mV)",
        b"[1e9]",
        b"9" * 400,
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00" * 64),
    *("٣−\u2028Ω".encode(), b"device", b"#REF", b"***End_of_Header***", b"!!python/object:x", b"\r\n\r\n"),
]
KIND_COLUMNS = {
    "telegraph": ("signal",),
    "pulse_switching": ("amplitude", "num_trials", "num_switched"),
    "iv_sweep": ("voltage", "current"),
    "retention": ("elapsed", "resistance"),
    "ramp_switching": ("threshold",),
}
MEMORY = 500_000_000
SECONDS = 10.0


def load_examples():
    """Examples of every reader, from the file beside this one."""
    spec = importlib.util.spec_from_file_location("charz_reader_examples", HERE / "examples.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.EXAMPLES


@st.composite
def mutations(draw, size):
    """A list of edits: where, how many bytes go, what comes in their place (bytes, a fragment, or a copy)."""
    place = st.integers(0, max(size - 1, 0))
    near = st.integers(0, min(size, 512))
    edit = st.tuples(
        st.one_of(place, near),
        st.one_of(st.integers(0, 8), st.sampled_from([1, 4, 64, size])),
        st.one_of(
            st.sampled_from(FRAGMENTS),
            st.binary(min_size=1, max_size=4),
            st.tuples(place, st.integers(1, 200)),
        ),
    )
    return draw(st.lists(edit, min_size=1, max_size=6))


def members(content):
    """Files inside a zip archive (xlsx, npz); none where the content is no archive."""
    if not content.startswith(b"PK"):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files):
    """Archive of files; its checksums are right, so that readers meet what is damaged inside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def mutated(content, edits):
    for start, removed, inserted in edits:
        if isinstance(inserted, tuple):
            begin, length = inserted
            inserted = content[begin : begin + length]
        content = content[:start] + inserted + content[start + removed :]
    return content


def read_everything(path, reader):
    """Open a file as a user may: by content and by name, every column as numbers and text, as a dataset."""
    outcomes = []
    for name in (None, reader):
        try:
            tables = open_tables(path, name)
        except CharzError as error:
            outcomes.append(one_line(error))
            continue
        for table in tables[:8]:
            outcomes.extend(read_table(table))
        for kind, names in KIND_COLUMNS.items():
            columns = {column: f"@{number + 1}" for number, column in enumerate(names)}
            units = {
                variable.name: variable.units[0]
                for variable in KINDS[kind].variables
                if variable.name in columns and variable.values == "float"
            }
            try:
                dataset = charz.read(path, kind, columns, units, reader=name, few_values=True)
            except CharzError as error:
                outcomes.append(one_line(error))
            else:
                assert charz.validate(dataset) is dataset
                outcomes.append("dataset")
    return outcomes


def read_table(table: Table):
    outcomes = []
    assert len(table.columns) > 0
    for index in range(min(len(table.columns), 12)):
        with contextlib.suppress(CharzError):
            assert len(table.texts(index, 5)) == min(5, len(table.rows))
        try:
            assert table.numbers([index]).shape == (1, len(table.rows))
        except CharzError as error:
            outcomes.append(one_line(error))
        else:
            outcomes.append("numbers")
    return outcomes


def one_line(error):
    assert str(error).strip()
    return "refused"


def peak():
    """Largest memory of this program so far, in bytes; what `getrusage` tells may be its parent's."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(reader, example, count, start, folder):
    """Read `count` mutations of one example; returns what happened, for the parent to judge."""
    warnings.simplefilter("error")
    chosen = next(one for one in load_examples()[reader] if one.name == example)
    folder.mkdir(parents=True, exist_ok=True)
    content = chosen.write(folder).read_bytes()
    files = members(content)
    path = folder / "mutated"
    path.write_bytes(content)
    read_everything(path, reader)  # imports what the reader needs, so that the peak is that of the files
    before, tally, seen, slowest = peak(), {}, set(), 0.0

    @seed(start)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn=st.data())
    def read(drawn):
        nonlocal slowest
        inside = drawn.draw(st.sampled_from([None, *files]))
        if inside is None:
            data = mutated(content, drawn.draw(mutations(len(content))))
        else:
            edits = drawn.draw(mutations(len(files[inside])))
            data = packed({**files, inside: mutated(files[inside], edits)})
        seen.add(hashlib.sha256(data).digest())
        path.write_bytes(data)
        begin = time.monotonic()
        for outcome in read_everything(path, reader):
            tally[outcome] = tally.get(outcome, 0) + 1
        elapsed = time.monotonic() - begin
        slowest = max(slowest, elapsed)
        assert elapsed < SECONDS, f"{elapsed:.1f} s"
        assert peak() - before < MEMORY + 10 * len(data), f"{(peak() - before) / 1e6:.0f} MB"

    read()
    return {
        "reader": reader,
        "example": example,
        "distinct": len(seen),
        "slowest": slowest,
        "memory": peak() - before,
        **tally,
    }


if __name__ == "__main__":
    result = run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    sys.stdout.write(json.dumps(result) + "\n")
