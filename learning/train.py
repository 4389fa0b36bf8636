"""One compiled training loop for many networks at once, with early stopping on validation data."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.devices.random_words import permutation
from charz.errors import TrainError
from charz.learning.inference import SINGLE_SHOT, Inference, scores
from charz.learning.rule import Batch, RuleState, UpdateRule
from charz.learning.schemes import Scheme


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


class Training(NamedTuple):
    """Trained networks; every leaf leads with the ``run`` axis.

    ``state`` is the best on validation loss (the estimator's own); ``validation_loss`` and ``validation_accuracy``
    (run, epoch) and ``train_loss`` are NaN after a run stopped; ``reads`` counts the synapse measurements made in
    training.
    """

    state: RuleState
    validation_loss: Float[Array, "run epoch"]
    validation_accuracy: Float[Array, "run epoch"]
    train_loss: Float[Array, "run epoch"]
    best_epoch: Int[Array, "run"]
    num_epochs: Int[Array, "run"]
    reads: Float[Array, "run"]


class _Carry(NamedTuple):
    epoch: Int[Array, ""]
    state: RuleState
    best: RuleState
    best_loss: Float[Array, "run"]
    best_epoch: Int[Array, "run"]
    history: Float[Array, "3 run epoch"]
    reads: Float[Array, "run"]


# Listeners of running trainings by ticket: the compiled loop can only pass arrays to the host.
_listeners: dict[int, Callable[[int, Any], None]] = {}
_tickets = itertools.count(1)


def _report(ticket: Array, epoch: Array, accuracy: Array) -> None:
    if (listener := _listeners.get(int(ticket))) is not None:
        listener(int(epoch), accuracy)


def train(
    keys: PRNGKeyArray,
    scheme: Scheme,
    hardware: PyTree,
    data: TrainingData,
    options: TrainOptions = TrainOptions(),
    on_epoch: Callable[[int, Any], None] | None = None,
) -> Training:
    """Train one network a key, all in one compiled program.

    Parameters
    ----------
    keys : array of PRNG keys, shape (run,)
        One a network: start, shuffling and reads of that run derive from it alone.
    scheme : Scheme
        What to train.
    hardware : pytree or None
        Devices of each run, leaves (run, synapses) or (run,).
    data : TrainingData
        Shared by all runs.
    options : TrainOptions
        Epochs, batch size, patience.
    on_epoch : callable, optional
        ``on_epoch(epoch, validation_accuracy)`` is called from inside the compiled loop after each epoch.

    Returns
    -------
    Training
        Memory grows as run × (state + batch × synapses when reads are counted exactly); time as
        run × epochs × samples × synapses.

    Raises
    ------
    TrainError
        When a batch is larger than the training data, or the inputs do not fit the network.
    """
    num_samples, num_features = data.train.x.shape
    if options.batch_size > num_samples:
        raise TrainError(f"batch_size {options.batch_size} exceeds the {num_samples} training samples")
    if num_features != scheme.num_inputs:
        raise TrainError(f"the data have {num_features} inputs a sample, the network {scheme.num_inputs}")
    ticket = next(_tickets)
    if on_epoch is not None:
        _listeners[ticket] = on_epoch
    try:
        result = _train(scheme, options, on_epoch is not None, keys, hardware, data, ticket)
        return jax.block_until_ready(result)
    finally:
        jax.effects_barrier()
        _listeners.pop(ticket, None)


def compile_train(
    keys: PRNGKeyArray, scheme: Scheme, hardware: PyTree, data: TrainingData, options: TrainOptions
) -> jax.stages.Compiled:
    """Compile `train` for these arguments without running it, to ask what it needs (``memory_analysis``)."""
    return _train.lower(scheme, options, False, keys, hardware, data, 0).compile()


@partial(jax.jit, static_argnums=(0, 1, 2))
def _train(
    scheme: Scheme,
    options: TrainOptions,
    listened: bool,
    keys: PRNGKeyArray,
    hardware: PyTree,
    data: TrainingData,
    ticket: Int[Array, ""],
) -> Training:
    num_steps = options.epochs * (data.train.x.shape[0] // options.batch_size)

    def start(key: PRNGKeyArray, devices: PyTree) -> RuleState:
        return scheme.rule(devices, num_steps).init(jax.random.fold_in(key, 0))

    def run_epoch(
        key: PRNGKeyArray, devices: PyTree, state: RuleState, epoch: Array
    ) -> tuple[RuleState, Array, Array, Array, Array]:
        rule = scheme.rule(devices, num_steps)
        key_train, key_validate = jax.random.split(jax.random.fold_in(key, epoch + 1))
        state, loss, reads = _epoch(key_train, rule, state, data.train, options.batch_size)
        validation_loss, accuracy = _evaluate(key_validate, rule, state, data.validation)
        return state, loss, reads, validation_loss, accuracy

    def goes_on(carry: _Carry) -> Array:
        patient = carry.epoch - carry.best_epoch < options.patience
        return (carry.epoch < options.epochs) & patient.any()

    def body(carry: _Carry) -> _Carry:
        active = carry.epoch - carry.best_epoch < options.patience
        state, loss, reads, validation_loss, accuracy = jax.vmap(run_epoch, in_axes=(0, 0, 0, None))(
            keys, hardware, carry.state, carry.epoch
        )
        epoch = carry.epoch + 1
        improved = active & (validation_loss < carry.best_loss)
        seen = jnp.where(active, jnp.stack([loss, validation_loss, accuracy]), jnp.nan)
        if listened:
            jax.debug.callback(_report, ticket, epoch, accuracy)
        return _Carry(
            epoch=epoch,
            state=state,
            best=_choose(improved, state, carry.best),
            best_loss=jnp.where(improved, validation_loss, carry.best_loss),
            best_epoch=jnp.where(improved, epoch, carry.best_epoch),
            history=carry.history.at[:, :, carry.epoch].set(seen),
            reads=carry.reads + jnp.where(active, reads, 0.0),
        )

    num_runs = keys.shape[0]
    state = jax.vmap(start)(keys, hardware)
    carry = jax.lax.while_loop(
        goes_on,
        body,
        _Carry(
            epoch=jnp.asarray(0),
            state=state,
            best=state,
            best_loss=jnp.full(num_runs, jnp.inf),
            best_epoch=jnp.zeros(num_runs, int),
            history=jnp.full((3, num_runs, options.epochs), jnp.nan),
            reads=jnp.zeros(num_runs),
        ),
    )
    num_epochs = jnp.isfinite(carry.history[0]).sum(1)
    train_loss, validation_loss, accuracy = carry.history
    return Training(
        carry.best, validation_loss, accuracy, train_loss, carry.best_epoch, num_epochs, carry.reads
    )


def _choose(which: Array, then: PyTree, otherwise: PyTree) -> PyTree:
    """Select per run, whatever the rank of the leaf."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(which.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, then, otherwise)


def _epoch(
    key: PRNGKeyArray, rule: UpdateRule, state: RuleState, data: Batch, batch_size: int
) -> tuple[RuleState, Array, Array]:
    key_order, key_steps = jax.random.split(key)
    num_steps = data.x.shape[0] // batch_size
    order = permutation(key_order, data.x.shape[0])[: num_steps * batch_size]

    def one_step(state: RuleState, step: tuple[Array, Array]) -> tuple[RuleState, tuple[Array, Array]]:
        index, rows = step
        batch = Batch(data.x[rows], data.y[rows])
        state, info = rule.step(jax.random.fold_in(key_steps, index), state, batch)
        return state, (info["loss"], info["reads"])

    steps = (jnp.arange(num_steps), order.reshape(num_steps, batch_size))
    state, (loss, reads) = jax.lax.scan(one_step, state, steps)
    return state, loss.mean(), reads.sum()


# Samples evaluated at once: bounds the memory of exactly counted reads to portion × synapses floats a run.
EVALUATION_PORTION = 128


def _evaluate(
    key: PRNGKeyArray, rule: UpdateRule, state: RuleState, data: Batch, inference: Inference = SINGLE_SHOT
) -> tuple[Array, Array]:
    """Mean loss and accuracy over `data`, with fresh reads, in portions of `EVALUATION_PORTION` samples."""
    num_samples = data.x.shape[0]
    num_portions = -(-num_samples // EVALUATION_PORTION)
    rows = jnp.arange(num_portions * EVALUATION_PORTION).reshape(num_portions, EVALUATION_PORTION)

    def portion(carry: tuple[Array, Array], step: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        index, row = step
        counts = row < num_samples
        row = jnp.minimum(row, num_samples - 1)
        logits = scores(inference, rule, jax.random.fold_in(key, index), state, data.x[row])
        loss = rule.loss(logits, data.y[row])
        right = logits.argmax(-1) == data.y[row]
        total_loss, total_right = carry
        return (total_loss + (loss * counts).sum(), total_right + (right & counts).sum()), None

    zero = (jnp.zeros(()), jnp.zeros((), int))
    (loss, right), _ = jax.lax.scan(portion, zero, (jnp.arange(num_portions), rows))
    return loss / num_samples, right / num_samples


@partial(jax.jit, static_argnums=(1, 5, 6))
def evaluate(
    key: PRNGKeyArray,
    scheme: Scheme,
    hardware: PyTree,
    state: RuleState,
    data: Batch,
    num_repeats: int,
    inference: Inference = SINGLE_SHOT,
) -> Float[Array, "run repeat"]:
    """Accuracy on `data` of every run, read `num_repeats` times with fresh randomness (cycle-to-cycle).

    Parameters
    ----------
    key : PRNG keys, shape (run,)
        One a run.
    scheme, hardware, state
        As trained, or the same state on other hardware; leaves lead with ``run``.
    data : Batch
        Test data.
    num_repeats : int
        Independent readings of the whole test set.
    inference : Inference
        How the networks are asked; deterministic inference gives the same number in every repeat.
    """

    def one(key: PRNGKeyArray, devices: PyTree, state: RuleState) -> Array:
        rule = scheme.rule(devices)
        keys = jax.random.split(key, num_repeats)
        return jax.lax.map(lambda key: _evaluate(key, rule, state, data, inference)[1], keys)

    return jax.vmap(one)(key, hardware, state)
