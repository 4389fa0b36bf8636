"""Mutated files end in a valid dataset or in a CharzError with one line, never in another exception."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charz
from charz.errors import CharzError

SEEDS = [
    b"amplitude (V),width (ns),num_trials,num_switched\n"
    + b"".join(b"%d.5,20,100,%d\n" % (n, n) for n in range(6)),
    b"\xef\xbb\xbf# lab 3\r\nx;amplitude [mV];switched\r\n1;0,5;1\r\n2;0,7;0\r\n3;0,9;1\r\nTotal;3\r\n",
    b"1\t1000.000\t2.040\t118661.821\t4998.513\r\n" * 4,
]
FRAGMENTS = [
    *(bytes([letter]) for letter in b",;\t|\"\n\r#% -'"),
    b"1e999",
    b"nan",
    b"inf",
    b"\x00",
    b"\xff\xfe",
    b"1_0",
    b"(mV)",
    b"[1e9]",
    b"9" * 400,
    "٣−\u2028".encode(),
    b"device",
]
OPTIONS = [
    {},
    {"units": {"amplitude": "V"}},
    {"columns": {"amplitude": "@2", "num_trials": "@3", "num_switched": "@1"}, "units": {"amplitude": "mV"}},
    {"columns": {"amplitude": "@1", "r": "@2"}, "units": {"amplitude": "A", "r": "1"}, "switched": "r > 1"},
    {"columns": {"device": "@1", "amplitude": "@2"}, "units": {"amplitude": "T"}, "where": "amplitude > 0"},
]
mutation = st.tuples(
    st.integers(0, 400), st.integers(0, 12), st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=3))
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from(SEEDS),
    mutations=st.lists(mutation, min_size=1, max_size=6),
    options=st.sampled_from(OPTIONS),
)
def test_a_dataset_or_one_clear_line(tmp_path, content, mutations, options):
    for start, removed, inserted in mutations:
        content = content[:start] + inserted + content[start + removed :]
    path = tmp_path / "mutated.csv"
    path.write_bytes(content)
    try:
        dataset = charz.read(path, "pulse_switching", **options)
    except CharzError as error:
        assert str(error).strip()  # noqa: PT017 - either outcome is fine
    else:
        assert charz.validate(dataset) is dataset
