"""A bench behind a connection: a gate through it, faults that end clearly and safely, and a run that goes on."""

import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
import pyvisa

from charz.errors import HardwareError
from charz.learning.gates import Descent
from charz.learning.hardware import Bench, Dialect, ElectrodeLimits, solve_gates_measured, stand_in_bench
from charz.learning.hardware.scpi_server import BenchServer, simulated_device
from charz.learning.hardware.simulated_bench import Dropped, SimulatedBench

# Compiling for a record's length, on a busy machine, is what the first one waits for.
PATIENT = 60.0
KEY = jax.random.key(0)
RAMP = np.linspace(0, 0.5, 50)[:, None] * np.ones(7)


@pytest.fixture
def warm(bench_resource, ask):
    """The bench, at 0 V, having played `RAMP` before, so that an answer comes at once."""
    with Bench(bench_resource, timeout=PATIENT) as bench:
        bench.measure(RAMP)
    ask(bench_resource, "*CLS", "*RST")
    return bench_resource


def within(resource, act, **options):
    """Do something with a bench."""
    with Bench(resource, **{"timeout": PATIENT} | options) as bench:
        return act(bench)


def levels(resource, ask):
    return np.asarray([float(part) for part in ask(resource, "SOUR:VOLT:LEV?")[0].split(",")])


def test_a_gate_through_the_connection(bench_resource, task, cases, ask):
    with Bench(bench_resource, timeout=PATIENT) as bench:
        assert bench.identity.startswith("charz,simulated bench")
        assert bench.limits == ElectrodeLimits(bench.limits.lowest, bench.limits.highest, 1e4)
        runs = solve_gates_measured(
            KEY, bench, bench.limits, task, cases[0], cases[1][:1], Descent(iterations=60), until_solved=True
        )
    assert runs.solved.any()
    assert (levels(bench_resource, ask) == 0).all()


def test_currents_are_those_of_the_device(warm):
    device = odd_device().material
    with Bench(warm, timeout=PATIENT) as bench:
        current = bench.measure(RAMP)
        np.testing.assert_allclose(bench.levels(), RAMP[-1])
    miss = (current - np.asarray(device.current(RAMP.astype(np.float32)))) / float(device.noise)
    # Mean of 50 standard normal numbers, and their mean square.
    assert abs(miss.mean()) < 4 / np.sqrt(50)
    assert abs((miss**2).mean() - 1) < 4 * np.sqrt(2 / 50)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("SIM:DROP", r"READ\? got no answer within .* \(time-out\): the connection was dropped"),
        ("SIM:DEL 600", r"READ\? got no answer within .* \(time-out\)"),
        ("SIM:ERR -240,Hardware error", r'SOURce:VOLTage:DATA was refused: -240,"Hardware error"'),
    ],
)
def test_a_fault_ends_in_a_clear_error_and_a_safe_state(fault, words, warm, ask):
    def act(bench):
        # Not at the safe voltage by chance.
        bench.measure(RAMP)
        ask(warm, fault)
        bench.measure(RAMP)

    with pytest.raises(HardwareError, match=words) as caught:
        within(warm, act, safe_voltage=0.1, timeout=1)
    assert str(caught.value).startswith(warm)
    assert str(caught.value).endswith("all electrodes were set to 0.1 V")
    assert "\n" not in str(caught.value)
    assert (levels(warm, ask) == 0.1).all()


@pytest.mark.parametrize(
    ("limits", "value", "words"),
    [
        (None, 1.3, r"1\.3 V for electrode 2 at sample 20; its range is -0\.9 to 1\.2 V. Nothing was sent"),
        (None, np.nan, "nan V for electrode 2"),
        (ElectrodeLimits((-0.5,) * 7, (0.6,) * 7, 1e4), 0.7, r"0\.7 V for electrode 2 .* -0\.5 to 0\.6 V"),
    ],
)
def test_voltages_out_of_range_are_never_sent(limits, value, words, warm, ask):
    wrong = RAMP.copy()
    wrong[20, 2] = value
    before = ask(warm, "SIM:REC?")
    with (
        pytest.raises(HardwareError, match=words) as caught,
        Bench(warm, limits=limits, timeout=PATIENT) as bench,
    ):
        bench.measure(wrong)
    assert "all electrodes were set to 0 V" in str(caught.value)
    assert ask(warm, "SIM:REC?", "SYST:ERR?") == [*before, '0,"No error"']


def test_rounding_at_the_end_of_a_range_is_clipped(warm):
    with Bench(warm, timeout=PATIENT) as bench:
        bench.measure(np.where(RAMP > 0.4, bench.limits.highest[0] + 5e-7, RAMP))
        np.testing.assert_array_equal(bench.levels(), bench.limits.highest)


@pytest.mark.parametrize("shape", [(50,), (50, 6), (0, 7)])
def test_voltages_of_another_shape_are_refused(shape, warm):
    with (
        pytest.raises(HardwareError, match=r"they must be \(time, 7\)"),
        Bench(warm, timeout=PATIENT) as bench,
    ):
        bench.measure(np.zeros(shape))


def test_any_exception_leaves_the_electrodes_safe(warm, ask):
    def act(bench):
        bench.measure(RAMP)
        assert (levels(warm, ask) == 0.5).all()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        within(warm, act)
    assert caught.value.__notes__ == [f"{warm}: all electrodes were set to 0 V"]
    assert (levels(warm, ask) == 0).all()
    with pytest.raises(HardwareError, match="chosen elsewhere; all electrodes were set to 0 V"), Bench(warm):
        raise HardwareError("chosen elsewhere")


def test_an_interrupted_record_leaves_the_electrodes_safe(warm, ask, monkeypatch):
    def act(bench):
        def interrupted(command, duration):
            bench._line.write(command)
            raise KeyboardInterrupt

        monkeypatch.setattr(bench._line, "read_block", interrupted)
        bench.measure(RAMP)

    with pytest.raises(KeyboardInterrupt) as caught:
        within(warm, act)
    assert "all electrodes were set to 0 V" in caught.value.__notes__[0]
    assert (levels(warm, ask) == 0).all()


def test_a_run_goes_on_after_a_dropped_connection(bench_resource, task, cases, ask, tmp_path):
    path, arguments = (
        tmp_path / "run.npz",
        (task, cases[0], cases[1][4:5], Descent(restarts=1, iterations=8, stop_margin=1e3)),
    )

    def run(timeout, resume=None, on_progress=None):
        with Bench(bench_resource, timeout=timeout) as bench:
            return solve_gates_measured(
                KEY, bench, bench.limits, *arguments, resume=resume, on_progress=on_progress
            )

    def sabotage(done, total, text):
        if done == 4:
            ask(bench_resource, "SIM:DROP")

    whole = run(PATIENT)
    before = int(ask(bench_resource, "SIM:REC?")[0])
    with pytest.raises(HardwareError, match="all electrodes were set to 0 V"):
        run(1, path, sabotage)
    resumed = run(PATIENT, path)
    for found, expected in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    # Eight iterations, one record without tones, and the one that was lost.
    assert int(ask(bench_resource, "SIM:REC?")[0]) - before == whole.iterations[0, 0, 0] + 2


def test_outside_its_context_a_bench_is_not_connected():
    bench = Bench("TCPIP::127.0.0.1::1::SOCKET")
    for use in (lambda: bench.limits, bench.levels, lambda: bench(RAMP)):
        with pytest.raises(HardwareError, match="not connected; use it within"):
            use()


@pytest.mark.parametrize(
    ("resource", "timeout", "words"),
    [
        ("TCPIP::127.0.0.1::1::SOCKET", 2, r"TCPIP::127\.0\.0\.1::1::SOCKET: the connection failed at .IDN"),
        ("nonsense", 2, "nonsense: cannot be opened"),
        ("TCPIP::127.0.0.1::1::SOCKET", 0, "timeout is 0 s"),
    ],
)
def test_an_instrument_that_is_not_there(resource, timeout, words):
    with pytest.raises(HardwareError, match=words), Bench(resource, timeout=timeout):
        pass


@pytest.mark.parametrize("module", ["pyvisa", "pyvisa_py"])
def test_without_the_extra_it_is_named(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(HardwareError, match=rf"{module} is not installed: pip install 'charz\[hardware\]'"):
        Bench("TCPIP::127.0.0.1::1::SOCKET").__enter__()


def test_a_stand_in_that_does_not_start_says_why():
    with pytest.raises(HardwareError, match=r"did not start .*unrecognized arguments: --colour=1"):
        stand_in_bench(colour=1).__enter__()


@cache
def odd_device():
    return simulated_device(46, 1e4)


@contextmanager
def odd_bench(change=lambda bench, server: None):
    """A bench in a thread of this process, changed so that it does what no bench should."""
    bench = SimulatedBench(odd_device())
    # Nothing to compile; what it measures does not matter here.
    bench._measure = lambda device, key, voltage: voltage[:, 0] * 1e-9
    with BenchServer(bench) as server:
        change(bench, server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.resource
        finally:
            server.shutdown()


def gone(bench, server):
    def record():
        bench.levels = RAMP[25]
        server.socket.close()
        raise Dropped

    bench.record = record


def deaf(bench, server):
    bench.set_levels = lambda voltage: None
    bench.levels = RAMP[-1]


def short(bench, server):
    record = bench.record
    bench.record = lambda: record()[:-1]


def forgetful(bench, server):
    bench.load = lambda voltage: None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (gone, r"READ\? got no answer .*could NOT be set to 0 V .*switch the outputs off by hand"),
        (deaf, r"could NOT be set to 0 V \(.*LEVel\? says \[0\.5"),
        (short, r"READ\? returned 49 currents for 50 samples of voltage.*were set to 0 V"),
        (
            forgetful,
            r'READ\? got no answer .*were set to 0 V; its error queue held -230,"Data corrupt or stale"',
        ),
    ],
)
def test_benches_that_fail(change, words):
    with odd_bench(change) as resource, pytest.raises(HardwareError, match=words) as caught:
        within(resource, lambda bench: bench.measure(RAMP), timeout=0.5)
    assert str(caught.value).count("by hand") <= 1


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (Dialect(lowest="*IDN?"), r"\*IDN\? was answered by 'charz,.*numbers separated by commas"),
        (Dialect(highest=Dialect().lowest), "states limits that cannot be: electrode 0 has the range"),
        (Dialect(data_format=("FORMat:COLour RED",)), r'was refused: -113,"Undefined header; FORMat:COLour"'),
        (Dialect(record="*IDN?"), r"\*IDN\? got an answer that is not a block"),
    ],
)
def test_dialects_that_the_bench_does_not_speak(dialect, words):
    with odd_bench() as resource, pytest.raises(HardwareError, match=words):
        within(resource, lambda bench: bench.measure(RAMP), timeout=0.5, dialect=dialect)


TASK = ElectrodeLimits((-0.5,) * 7, (0.5,) * 7, 1e4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"limits": replace(TASK, lowest=(-2.0,) * 7)},
            r"limits allow electrode 0 -2 to 0\.5 V; .* -0\.9 to 1\.2 V",
        ),
        (
            {"limits": replace(TASK, sampling_rate=1e3)},
            "7 electrodes at 1000 Hz; the instrument has 7 at 10000 Hz",
        ),
        ({"limits": ElectrodeLimits((0.0,), (0.1,), 1e4)}, "limits are for 1 electrodes"),
        ({"safe_voltage": -1.0}, r"safe_voltage is -1 V, outside the range of electrode 0, -0\.9 to 1\.2 V"),
        ({"limits": TASK, "safe_voltage": 0.7}, r"safe_voltage is 0\.7 V, .* -0\.5 to 0\.5 V"),
    ],
)
def test_limits_beyond_the_instruments_are_refused(options, words):
    with (
        pytest.raises(HardwareError, match=words),
        odd_bench() as resource,
        Bench(resource, timeout=5, **options),
    ):
        pass


def test_what_the_library_reports_is_passed_on(monkeypatch):
    def act(bench):
        def broken(*arguments, **options):
            raise pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_io)

        monkeypatch.setattr(bench._line._session, "write_binary_values", broken)
        bench.measure(RAMP)

    with (
        odd_bench() as resource,
        pytest.raises(HardwareError, match=r"DATA failed \(VI_ERROR_IO.*were set to 0 V"),
    ):
        within(resource, act, timeout=5)


def test_the_tasks_limits_hold():
    with odd_bench() as resource, Bench(resource, timeout=5, limits=TASK) as bench:
        assert bench.limits == TASK
