"""Training around an instrument: the epochs, order and validation of `train`, step after step in a plain loop."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PRNGKeyArray

from charz.devices.random_words import permutation
from charz.errors import TrainError
from charz.learning.evaluation import EVALUATION_PORTION
from charz.learning.rule import Batch, RuleState, UpdateRule
from charz.learning.run_state import fingerprint, load_run, save_run
from charz.learning.train import Training
from charz.learning.training_loop import COUNTED, TrainingData, TrainOptions

DEFAULT_OPTIONS = TrainOptions()
# Compiled as a whole: operation by operation the cipher takes seconds.
_order = jax.jit(permutation, static_argnums=1)


class _Run(NamedTuple):
    """Where the training is: ``epoch`` in progress, ``step`` within it.

    ``history`` (3, epoch) and ``counts`` are those of `Training`; a count of what the rule does not count is NaN.
    """

    state: RuleState
    best: RuleState
    epoch: np.ndarray
    step: np.ndarray
    best_epoch: np.ndarray
    best_loss: np.ndarray
    loss_sum: np.ndarray
    counts: dict[str, np.ndarray]
    history: np.ndarray


def train_measured(
    key: PRNGKeyArray,
    rule: UpdateRule,
    data: TrainingData,
    options: TrainOptions = DEFAULT_OPTIONS,
    *,
    resume: Path | str | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Training:
    """Train one network whose passes are measured.

    Start, order of the samples, validation and stopping are those of `train` with the same key, so that a simulated
    rule gives the same network in both.

    Parameters
    ----------
    key : PRNG key
    rule : UpdateRule
        Joined from `measured_perturbation` or `measured_mean_variance`, an optimizer and a write.
    data : TrainingData
        A validation pass costs one measurement a sample.
    options : TrainOptions
    resume : path, optional
        File for the state of the run, written whole after each step. Where it exists the run goes on from there; the
        step, or the validation, that was under way is measured again.
    on_progress : callable, optional
        ``on_progress(done, total, text)`` steps, `total` at most; after each.

    Returns
    -------
    Training
        With a leading run axis of one.

    Raises
    ------
    TrainError
        When a batch is larger than the training data, or the file belongs to another run.
    HardwareError
        Whatever the hardware raises.
    """
    num_samples = data.train.x.shape[0]
    if options.batch_size > num_samples:
        raise TrainError(f"batch_size {options.batch_size} exceeds the {num_samples} training samples")
    num_steps = num_samples // options.batch_size
    state = rule.init(jax.random.fold_in(key, 0))
    run = _first(state, options)
    identity = fingerprint(
        [jax.random.key_data(key), *jax.tree.leaves(data), *jax.tree.leaves(state), options]
    )
    if resume is not None and Path(resume).exists():
        run = load_run(resume, identity, run)

    def keep(run: _Run) -> None:
        if resume is not None:
            save_run(resume, identity, run)
        if on_progress is not None:
            done = int(run.epoch) * num_steps + int(run.step)
            on_progress(done, options.epochs * num_steps, f"epoch {int(run.epoch) + 1}")

    while run.epoch < options.epochs and run.epoch - run.best_epoch < options.patience:
        key_train, key_validate = jax.random.split(jax.random.fold_in(key, int(run.epoch) + 1))
        key_order, key_steps = jax.random.split(key_train)
        order = np.asarray(_order(key_order, num_samples))
        for index in range(int(run.step), num_steps):
            rows = order[index * options.batch_size : (index + 1) * options.batch_size]
            batch = Batch(data.train.x[rows], data.train.y[rows])
            state, info = rule.step(jax.random.fold_in(key_steps, index), run.state, batch)
            run = run._replace(
                state=state,
                step=np.asarray(index + 1),
                loss_sum=run.loss_sum + np.asarray(info["loss"]),
                counts={name: _added(number, info.get(name)) for name, number in run.counts.items()},
            )
            keep(run)
        run = _validated(run, *_evaluate(key_validate, rule, run.state, data.validation), num_steps)
    keep(run)
    return _as_training(run)


def _first(state: RuleState, options: TrainOptions) -> _Run:
    zero, nothing = np.asarray(0), np.zeros(())
    history = np.full((3, options.epochs), np.nan, np.float32)
    counts = {name: np.asarray(np.nan, np.float32) for name in COUNTED}
    return _Run(state, state, zero, zero, zero, np.asarray(np.inf), nothing, counts, history)


def _added(total: np.ndarray, number: Array | None) -> np.ndarray:
    return total if number is None else np.nan_to_num(total) + np.asarray(number, np.float32)


def _validated(run: _Run, loss: float, accuracy: float, num_steps: int) -> _Run:
    """Close an epoch: keep the state where the validation loss is the least yet."""
    history = run.history.copy()
    history[:, int(run.epoch)] = run.loss_sum / num_steps, loss, accuracy
    improved = loss < run.best_loss
    return run._replace(
        best=run.state if improved else run.best,
        epoch=run.epoch + 1,
        step=np.asarray(0),
        best_epoch=run.epoch + 1 if improved else run.best_epoch,
        best_loss=np.asarray(loss) if improved else run.best_loss,
        loss_sum=np.zeros(()),
        history=history,
    )


def _evaluate(key: PRNGKeyArray, rule: UpdateRule, state: RuleState, data: Batch) -> tuple[float, float]:
    """Mean loss and accuracy with fresh reads, in portions as of `train`."""
    total = data.x.shape[0]
    loss, right = 0.0, 0
    for index, begin in enumerate(range(0, total, EVALUATION_PORTION)):
        x, y = (part[begin : begin + EVALUATION_PORTION] for part in data)
        logits = rule.predict(jax.random.fold_in(key, index), state, x)
        loss += float(optax.softmax_cross_entropy_with_integer_labels(logits, y).sum())
        right += int((logits.argmax(-1) == y).sum())
    return loss / total, right / total


def _as_training(run: _Run) -> Training:
    def leading(value: Array | np.ndarray) -> Array:
        return jnp.asarray(value)[None]

    train_loss, validation_loss, accuracy = run.history
    return Training(
        jax.tree.map(leading, run.best),
        leading(validation_loss),
        leading(accuracy),
        leading(train_loss),
        leading(run.best_epoch),
        leading(np.isfinite(train_loss).sum()),
        {name: leading(number) for name, number in run.counts.items() if not np.isnan(number)},
    )
