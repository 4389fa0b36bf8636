"""The syntax of SCPI, and what the bench stand-in answers and complains about."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.material import MaterialSurrogate
from charz.devices.material_record import RecordedMaterial
from charz.learning.hardware.scpi import (
    BrokenBlock,
    Message,
    ScpiError,
    as_block,
    matches,
    parse_error,
    read_message,
)
from charz.learning.hardware.scpi_server import answer
from charz.learning.hardware.simulated_bench import QUEUE_LENGTH, SimulatedBench


@pytest.mark.parametrize("header", ["SOURce:VOLTage:LEVel?", "sour:volt:lev?", ":SOUR:VOLTAGE:LEV?"])
def test_headers_match_long_and_short(header):
    assert matches("SOURce:VOLTage:LEVel?", header)


@pytest.mark.parametrize("header", ["SOUR:VOLT:LEV", "SOURC:VOLT:LEV?", "VOLT:LEV?", "SOUR:VOLT:LEV??", ""])
def test_other_headers_do_not(header):
    assert not matches("SOURce:VOLTage:LEVel?", header)


def test_messages_and_blocks_are_read_one_after_another():
    payload = bytes(range(256))
    stream = io.BytesIO(b"*IDN?\nVOLT:DATA " + as_block(payload) + b"\n\nLEV 1, 2\r\nREAD?")
    assert [read_message(stream) for _ in range(4)] == [
        Message("*IDN?", "", b""),
        Message("VOLT:DATA", "", payload),
        Message("", "", b""),
        Message("LEV", "1, 2", b""),
    ]
    # Cut off in the middle of a command.
    assert read_message(stream) is None


@pytest.mark.parametrize("text", [b"DATA #x12\n", b"DATA #2xy\n", b"DATA #15abc", b"DATA #0\n"])
def test_broken_blocks_are_refused(text):
    with pytest.raises(BrokenBlock):
        read_message(io.BytesIO(text))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('-222,"Data out of range"', ScpiError(-222, "Data out of range")),
        ("+0,No error", ScpiError(0, "No error")),
        ("What?", ScpiError(1, "What?")),
    ],
)
def test_entries_of_the_error_queue(said, expected):
    assert parse_error(said) == expected


@pytest.fixture
def bench():
    """Two electrodes on a resistor with noise."""
    material = MaterialSurrogate(
        (), (), jnp.zeros(0), jnp.asarray([1e-9, 0.0]), jnp.zeros(()), jnp.asarray(1e-10),
        jnp.asarray([-1.0, -1.0]), jnp.asarray([1.0, 1.0]),
    )  # fmt: skip
    return SimulatedBench(RecordedMaterial(material, 1e3))


def say(bench, header, argument="", block=b""):
    return answer(bench, Message(header, argument, block))


def record(bench, voltage):
    say(bench, "SOUR:VOLT:DATA", block=np.asarray(voltage, "<f8").tobytes())
    return np.frombuffer(say(bench, "READ?")[5:], "<f8")


def test_a_record_is_played_and_its_last_voltages_stay(bench):
    voltage = np.linspace(0, 1, 40)[:, None] * np.asarray([1.0, -0.5])
    current = record(bench, voltage)
    assert current.shape == (40,)
    # Standard deviation of a mean of 40 samples with 0.1 nA each.
    assert abs((current - 1e-9 * voltage[:, 0]).mean()) < 4e-10 / np.sqrt(40)
    assert say(bench, "SOUR:VOLT:LEV?") == "1,-0.5"
    say(bench, "SOUR:VOLT:LEV", "0.25,0")
    assert say(bench, "SOUR:VOLT:LEV?") == "0.25,0"
    say(bench, "*RST")
    assert say(bench, "SOUR:VOLT:LEV?") == "0,0"
    assert say(bench, "SIM:REC?") == "1"


@pytest.mark.parametrize("repeatable", [False, True])
def test_noise_is_fresh_unless_asked_otherwise(bench, repeatable):
    bench.repeatable = repeatable
    first, second = (record(bench, np.zeros((40, 2))) for _ in range(2))
    assert (first == second).all() == repeatable
    assert not (record(bench, np.full((40, 2), 1e-6)) == first).any()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Message("WHAT", "", b""), -113),
        (Message("SOUR:VOLT:LEV", "a,b", b""), -104),
        (Message("SOUR:VOLT:LEV", "0.1", b""), -222),
        (Message("SOUR:VOLT:LEV", "0,1.5", b""), -222),
        (Message("SOUR:VOLT:LEV", "nan,0", b""), -222),
        (Message("SOUR:VOLT:DATA", "", np.full(4, 1.5).tobytes()), -222),
        (Message("SOUR:VOLT:DATA", "", np.zeros(3).tobytes()), -161),
        (Message("SOUR:VOLT:DATA", "", b""), -161),
        (Message("SOUR:VOLT:DATA", "", b"1234"), -104),
        (Message("READ?", "", b""), -230),
        (Message("SIM:ERR", '-310,"System error"', b""), -310),
    ],
)
def test_complaints_go_into_the_queue(message, code, bench):
    assert answer(bench, message) is None
    assert say(bench, "SYST:ERR?").startswith(f'{code},"')
    assert say(bench, "SYST:ERR?") == '0,"No error"'
    assert say(bench, "SOUR:VOLT:LEV?") == "0,0"


def test_a_full_queue_says_so_and_can_be_emptied(bench):
    for _ in range(QUEUE_LENGTH + 3):
        say(bench, "WHAT")
    entries = [say(bench, "SYST:ERR?") for _ in range(QUEUE_LENGTH)]
    assert entries[-1] == '-350,"Queue overflow"'
    assert say(bench, "SYST:ERR?") == '0,"No error"'
    say(bench, "WHAT")
    say(bench, "*CLS")
    assert say(bench, "SYST:ERR?") == '0,"No error"'
