"""The compiled loop over epochs: many networks at once, early stopping, and a state from which it can go on."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.devices.random_words import permutation
from charz.errors import TrainError
from charz.learning.evaluation import loss_and_accuracy
from charz.learning.rule import Batch, RuleState, UpdateRule
from charz.learning.schemes import Scheme

# Events that a step may count in its info: what estimators read and compare, what writes pulse. Times are in s.
COUNTED = ("reads", "comparisons", "events", "writes", "pulses", "carry_pulses", "pulse_time")


@dataclass(frozen=True)
class TrainOptions:
    """How long and in which portions to train (defaults: authors' code of Ellis et al. 2023).

    Parameters
    ----------
    epochs : int
        At most so many passes over the training data.
    batch_size : int
        Samples a step; the incomplete last batch of an epoch is left out (the order changes every epoch).
    patience : int
        Stop after so many epochs without a better validation loss; the best state is kept.
    """

    epochs: int = 100
    batch_size: int = 64
    patience: int = 20

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise TrainError(f"{name} is {getattr(self, name)}; it must be at least 1")


class TrainingData(NamedTuple):
    """Training and validation batches; the test data never enter training."""

    train: Batch
    validation: Batch


class Progress(NamedTuple):
    """Where trainings stand after an epoch; every leaf but `epoch` leads with the ``run`` axis.

    `state` is the last, `best` the best on validation loss so far; `history` holds training loss, validation loss and
    validation accuracy; `counts` sums what the steps of active runs counted (of `COUNTED`).
    """

    epoch: Int[Array, ""]
    state: RuleState
    best: RuleState
    best_loss: Float[Array, "run"]
    best_epoch: Int[Array, "run"]
    history: Float[Array, "run quantity epoch"]
    counts: dict[str, Float[Array, "run"]]


# Listeners of running trainings by ticket: the compiled loop can only pass arrays to the host.
_listeners: dict[int, Callable[[int, Any], None]] = {}
_tickets = itertools.count(1)


@contextmanager
def listening(on_epoch: Callable[[int, Any], None] | None) -> Iterator[int]:
    """Ticket under which the loop reports (epoch, validation accuracy of each run) after each epoch."""
    ticket = next(_tickets)
    if on_epoch is not None:
        _listeners[ticket] = on_epoch
    try:
        yield ticket
    finally:
        jax.effects_barrier()
        _listeners.pop(ticket, None)


def _report(ticket: Array, epoch: Array, accuracy: Array) -> None:
    if (listener := _listeners.get(int(ticket))) is not None:
        listener(int(epoch), accuracy)


@partial(jax.jit, static_argnums=(0, 1))
def begin(
    scheme: Scheme, options: TrainOptions, keys: PRNGKeyArray, hardware: PyTree, data: TrainingData
) -> Progress:
    """Networks before their first epoch."""
    num_runs = keys.shape[0]

    def start(key: PRNGKeyArray, devices: PyTree) -> RuleState:
        return scheme.rule(devices, _num_steps(options, data)).init(jax.random.fold_in(key, 0))

    state = jax.vmap(start)(keys, hardware)
    one_run = jax.tree.map(lambda leaf: leaf[0], (keys, hardware, state))
    counted = jax.eval_shape(partial(_run_epoch, scheme, options, data, jnp.asarray(0)), *one_run)[1]
    return Progress(
        epoch=jnp.asarray(0),
        state=state,
        best=state,
        best_loss=jnp.full(num_runs, jnp.inf),
        best_epoch=jnp.zeros(num_runs, int),
        history=jnp.full((num_runs, 3, options.epochs), jnp.nan),
        counts={name: jnp.zeros(num_runs) for name in counted},
    )


@partial(jax.jit, static_argnums=(0, 1, 2))
def advance(
    scheme: Scheme,
    options: TrainOptions,
    listened: bool,
    progress: Progress,
    until: Int[Array, ""],
    keys: PRNGKeyArray,
    hardware: PyTree,
    data: TrainingData,
    ticket: Int[Array, ""],
) -> Progress:
    """Go on until an epoch, or until no run has patience left.

    What happens in an epoch depends on its number and the progress before it alone: in one go or in several the
    result is the same to the bit.
    """

    def over_runs(one_run: Callable[..., PyTree], *per_run: PyTree) -> PyTree:
        if scheme.one_by_one:
            return jax.lax.map(lambda one: one_run(*one), per_run)
        return jax.vmap(one_run)(*per_run)

    def goes_on(now: Progress) -> Array:
        return (now.epoch < until) & is_active(now, options).any()

    def body(now: Progress) -> Progress:
        active = is_active(now, options)
        state, counts, seen = over_runs(
            partial(_run_epoch, scheme, options, data, now.epoch), keys, hardware, now.state
        )
        epoch = now.epoch + 1
        improved = active & (seen[:, 1] < now.best_loss)
        if listened:
            jax.debug.callback(_report, ticket, epoch, seen[:, 2])
        return Progress(
            epoch=epoch,
            state=state,
            best=_choose(improved, state, now.best),
            best_loss=jnp.where(improved, seen[:, 1], now.best_loss),
            best_epoch=jnp.where(improved, epoch, now.best_epoch),
            history=now.history.at[:, :, now.epoch].set(jnp.where(active[:, None], seen, jnp.nan)),
            counts={
                name: now.counts[name] + jnp.where(active, number, 0.0) for name, number in counts.items()
            },
        )

    return jax.lax.while_loop(goes_on, body, progress)


def is_active(progress: Progress, options: TrainOptions) -> Array:
    """Runs whose validation loss has improved within the patience."""
    return progress.epoch - progress.best_epoch < options.patience


def _num_steps(options: TrainOptions, data: TrainingData) -> int:
    return options.epochs * (data.train.x.shape[0] // options.batch_size)


def _run_epoch(
    scheme: Scheme,
    options: TrainOptions,
    data: TrainingData,
    epoch: Array,
    key: PRNGKeyArray,
    devices: PyTree,
    state: RuleState,
) -> tuple[RuleState, dict[str, Array], Array]:
    """State, counts, and (training loss, validation loss, validation accuracy) after one epoch of one run."""
    rule = scheme.rule(devices, _num_steps(options, data))
    key_train, key_validate = jax.random.split(jax.random.fold_in(key, epoch + 1))
    state, loss, counts = _steps(key_train, rule, state, data.train, options.batch_size)
    validation_loss, accuracy = loss_and_accuracy(key_validate, rule, state, data.validation)
    return state, counts, jnp.stack([loss, validation_loss, accuracy])


def _steps(
    key: PRNGKeyArray, rule: UpdateRule, state: RuleState, data: Batch, batch_size: int
) -> tuple[RuleState, Array, dict[str, Array]]:
    key_order, key_steps = jax.random.split(key)
    num_steps = data.x.shape[0] // batch_size
    order = permutation(key_order, data.x.shape[0])[: num_steps * batch_size]

    def one_step(
        state: RuleState, step: tuple[Array, Array]
    ) -> tuple[RuleState, tuple[Array, dict[str, Array]]]:
        index, rows = step
        batch = Batch(data.x[rows], data.y[rows])
        state, info = rule.step(jax.random.fold_in(key_steps, index), state, batch)
        return state, (info["loss"], {name: info[name] for name in COUNTED if name in info})

    steps = (jnp.arange(num_steps), order.reshape(num_steps, batch_size))
    state, (loss, counts) = jax.lax.scan(one_step, state, steps)
    return (
        state,
        loss.mean(),
        {name: jnp.asarray(number, jnp.float32).sum() for name, number in counts.items()},
    )


def _choose(which: Array, then: PyTree, otherwise: PyTree) -> PyTree:
    """Select per run, whatever the rank of the leaf."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(which.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, then, otherwise)
