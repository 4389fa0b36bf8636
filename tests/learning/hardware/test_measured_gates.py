"""Gates around a measured device: the numbers of the compiled program, and runs that can be interrupted."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from charz.errors import TrainError
from charz.learning.gates import Descent, solve_gates
from charz.learning.hardware import ElectrodeLimits, solve_gates_measured
from charz.learning.run_state import load_run, save_run
from charz.learning.set_losses import corrsig

KEY = jax.random.key(0)
LIMITS = ElectrodeLimits((-0.9,) * 7, (1.2,) * 7, 1e4)
BRIEF = Descent(restarts=2, iterations=5)


def counted(measure, stop_at=None):
    """The same function, its calls counted, interrupted like by a keyboard at one of them."""

    def counting(voltage):
        counting.calls += 1
        if counting.calls == stop_at:
            raise KeyboardInterrupt
        return measure(voltage)

    counting.calls = 0
    return counting


@pytest.fixture(scope="module")
def whole(task, cases, quiet_measure):
    """Two starts of one gate without interruption, and what was reported."""
    told = []
    runs = solve_gates_measured(
        KEY, quiet_measure, LIMITS, task, cases[0], cases[1][:1], BRIEF, on_progress=lambda *now: told.append(now)
    )  # fmt: skip
    return runs, told


def test_the_numbers_are_those_of_the_compiled_program(whole, task, cases, quiet_device):
    one = jax.tree.map(lambda leaf: leaf[None], quiet_device)
    expected = solve_gates(KEY, one, task, cases[0], cases[1][:1], BRIEF)
    for name, found, wanted in zip(expected._fields, whole[0], expected, strict=True):
        # Currents of nA; steps of up to 0.1 V in single precision, summed in another order.
        scale = 1e-9 if name in ("separation", "noise") else 1.0
        np.testing.assert_allclose(found / scale, wanted / scale, rtol=2e-3, atol=2e-3, err_msg=name)
    assert whole[0].theta.shape == (1, 1, 2, 5)


def test_progress_is_told_after_each_iteration(whole):
    runs, told = whole
    assert [done for done, _, _ in told][-1] == 10
    assert {total for _, total, _ in told} == {10}
    assert len(told) == runs.iterations.sum() + 1
    assert told[0][2] == "gate 1, start 1"


@pytest.mark.parametrize("stop_at", [1, 4, 6, 9])
def test_an_interrupted_run_goes_on_where_it_was(stop_at, whole, task, cases, quiet_measure, tmp_path):
    path = tmp_path / "run.npz"
    arguments = (LIMITS, task, cases[0], cases[1][:1], BRIEF)
    first, second = counted(quiet_measure, stop_at), counted(quiet_measure)
    with pytest.raises(KeyboardInterrupt):
        solve_gates_measured(KEY, first, *arguments, resume=path)
    runs = solve_gates_measured(KEY, second, *arguments, resume=path)
    for found, wanted in zip(runs, whole[0], strict=True):
        np.testing.assert_array_equal(found, wanted)
    # One record an iteration and one a start; after the crash none is made twice but that under way (and the last
    # record of a start whose successor had not begun).
    needed = whole[0].iterations.sum() + 2
    assert needed <= first.calls + second.calls <= needed + 2
    finished = counted(quiet_measure)
    solve_gates_measured(KEY, finished, *arguments, resume=path)
    assert finished.calls == 0


def test_a_state_of_another_run_is_refused(task, cases, quiet_measure, tmp_path):
    path, x, targets = tmp_path / "run.npz", cases[0], cases[1][:1]
    brief = Descent(restarts=1, iterations=1)
    solve_gates_measured(KEY, quiet_measure, LIMITS, task, x, targets, brief, resume=path)
    others = [
        (jax.random.key(1), LIMITS, task, targets, brief),
        (KEY, replace(LIMITS, clip=1e-7), task, targets, brief),
        (KEY, LIMITS, replace(task, loss=corrsig()), targets, brief),
        (KEY, LIMITS, task, 1 - targets, brief),
        (KEY, LIMITS, task, targets, replace(brief, rate=0.3)),
    ]
    for key, limits, other_task, other_targets, descent in others:
        with pytest.raises(TrainError, match="the state of another run"):
            solve_gates_measured(
                key, quiet_measure, limits, other_task, x, other_targets, descent, resume=path
            )


def test_a_file_that_is_no_state_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    path.write_text("not an archive")
    with pytest.raises(TrainError, match="not the state of a run"):
        load_run(path, "run", np.zeros(2))
    save_run(path, "run", np.zeros(2))
    np.testing.assert_array_equal(load_run(path, "run", np.ones(2)), np.zeros(2))
    with pytest.raises(TrainError, match="the state of another run"):
        load_run(path, "run", np.zeros(3))
    with pytest.raises(TrainError, match="the state of another run"):
        load_run(path, "run", (np.zeros(2), np.zeros(2)))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        save_run(tmp_path / "nowhere" / "run.npz", "run", np.zeros(2))


def test_starts_after_a_success_can_be_left_out(task, cases, quiet_measure):
    easy = Descent(restarts=3, iterations=30)
    runs = solve_gates_measured(
        KEY, quiet_measure, LIMITS, task, cases[0], cases[1][:1], easy, until_solved=True
    )
    solved = runs.solved[0, 0]
    assert solved.sum() == 1
    assert np.isnan(runs.margin[0, 0, solved.argmax() + 1 :]).all()
    assert np.isfinite(runs.margin[0, 0, : solved.argmax() + 1]).all()


def test_at_the_amplifiers_limit_controls_are_drawn_anew(task, cases, quiet_measure):
    tight = replace(LIMITS, clip=1e-12)
    runs = solve_gates_measured(
        KEY, lambda voltage: np.clip(quiet_measure(voltage), -1e-12, 1e-12), tight, task, cases[0], cases[1][:1],
        Descent(restarts=1, iterations=2),
    )  # fmt: skip
    assert runs.redraws[0, 0, 0] == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": {"gradient": "oracle"}}, "an instrument has none"),
        ({"limits": {"lowest": (-0.9,) * 6, "highest": (1.2,) * 6}}, r"ranges of shape \(1, 6\), the wiring 7"),
        ({"limits": {"sampling_rate": 2e4}}, "sampled at 20000 Hz, the waveform at 10000 Hz"),
        ({"limits": {"lowest": (-0.5,) * 7}}, "leave the range of their electrodes"),
        ({"limits": {"highest": (1.2,) * 6 + (-0.89,)}}, "fill the whole range"),
        ({"targets": np.zeros((1, 3))}, r"targets \(1, 3\) and data voltages \(4, 2\)"),
        ({"targets": np.zeros((1, 4))}, "a constant output has no correlation"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_bench_is_refused_before_measuring(changes, words, task, cases, quiet_measure):
    counting = counted(quiet_measure)
    with pytest.raises(TrainError, match=words):
        solve_gates_measured(
            KEY,
            counting,
            replace(LIMITS, **changes.get("limits", {})),
            replace(task, **changes.get("task", {})),
            cases[0],
            changes.get("targets", cases[1][:1]),
        )
    assert counting.calls == 0
