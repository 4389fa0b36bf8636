"""A task for a material that is measured, and the bench stand-in in another process."""

import socket

import jax
import numpy as np
import pytest

from charz.datasets.logic import gates, logic_voltages, truth_table
from charz.learning.gates import GateTask
from charz.learning.hardware import stand_in_bench
from charz.learning.hardware.scpi_server import simulated_device
from charz.learning.tones import Tones
from charz.learning.waveform import Waveform, Wiring

RATE = 1e4
# A device on which gates are found within a few iterations.
CAPABLE = 46


@pytest.fixture(scope="session")
def task():
    """The published XOR run, with short slopes, windows and ramps."""
    tones = Tones((200.0, 360.0, 520.0, 760.0, 920.0), (0.03, 0.02, 0.02, 0.01, 0.01), 0.025, RATE)
    return GateTask(Waveform(tones, slope=0.001, ramp=0.001), Wiring((0, 1), (2, 3, 4, 5, 6)))


@pytest.fixture(scope="session")
def cases():
    """Data voltages of four cases, and the outputs of the six gates."""
    return logic_voltages(), truth_table(gates())


@pytest.fixture(scope="session")
def quiet_device():
    """The capable device without noise."""
    return simulated_device(CAPABLE, RATE, noise=0.0)


@pytest.fixture(scope="session")
def quiet_measure(quiet_device):
    """It as a Python function of voltages."""
    compiled = jax.jit(lambda voltage: quiet_device.measure(jax.random.key(0), voltage))
    return lambda voltage: np.asarray(compiled(voltage.astype(np.float32)), float)


@pytest.fixture(scope="session")
def bench_resource():
    """Name of a bench in another process, whose noise depends on the voltages alone."""
    with stand_in_bench(device_seed=CAPABLE, repeatable=True) as resource:
        yield resource


@pytest.fixture(scope="session")
def ask():
    """Function that talks to a bench over a socket of its own: ``ask(resource, *commands) -> answers``."""

    def ask(resource, *commands):
        port = int(resource.split("::")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as line, line.makefile("rw") as stream:
            answers = []
            for command in commands:
                stream.write(command + "\n")
                stream.flush()
                if "?" in command:
                    answers.append(stream.readline().strip())
            # What was sent before is done when this is answered.
            stream.write("*OPC?\n")
            stream.flush()
            assert stream.readline().strip() == "1"
        return answers

    return ask
