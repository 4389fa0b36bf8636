"""The bitwise chain is the plain loop over steps, for any number of steps and any probabilities."""

import jax
import numpy as np
import pytest

from charz.devices.random_words import random_words
from charz.devices.two_state_chain import run_chain

DEVICES = 40


def plain_loop(words, state, up, down):
    """The chain as it is written down: one uniform number decides each step."""
    uniform = np.asarray(words) / 2.0**32
    states, state = [], np.array(state)
    for row in uniform:
        state = np.where(row < up, 1, np.where(row >= 1 - down, 0, state))
        states.append(state)
    return np.array(states)


@pytest.mark.parametrize("num_steps", [1, 31, 32, 33, 100, 128])
def test_every_state_is_that_of_the_loop(num_steps):
    rng = np.random.default_rng(num_steps)
    up, down = (rng.uniform(0.01, 0.49, DEVICES).astype(np.float32) for _ in range(2))
    start = rng.integers(0, 2, DEVICES).astype(np.uint32)
    words = random_words(jax.random.key(num_steps), (num_steps, DEVICES))[0]
    states, last = jax.jit(run_chain)(words, start, up, down)
    np.testing.assert_array_equal(states, plain_loop(words, start, up, down))
    np.testing.assert_array_equal(last, states[-1])


def test_a_device_that_cannot_leave_stays_and_one_that_must_leave_goes():
    words = random_words(jax.random.key(0), (70, 3))[0]
    up, down = np.array([0.0, 1.0, 0.0], np.float32), np.array([0.0, 0.0, 1.0], np.float32)
    states, _ = run_chain(words, np.array([1, 0, 1], np.uint32), up, down)
    np.testing.assert_array_equal(states, np.broadcast_to([1, 1, 0], (70, 3)))
