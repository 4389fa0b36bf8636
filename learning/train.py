"""Training of many networks in one compiled program, with checkpoints from which a killed training goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.rule import RuleState
from charz.learning.run_state import fingerprint, load_run, save_run
from charz.learning.schemes import Scheme
from charz.learning.training_loop import (
    Progress,
    TrainingData,
    TrainOptions,
    advance,
    begin,
    is_active,
    listening,
)


class Training(NamedTuple):
    """Trained networks; every leaf leads with the ``run`` axis.

    ``state`` is the best on validation loss (the estimator's own); ``validation_loss`` and ``validation_accuracy``
    (run, epoch) and ``train_loss`` are NaN after a run stopped; ``counts`` sums the events of training by name:
    ``reads`` of devices, ``pulses``, their ``pulse_time`` in s, ``comparisons``, as far as the scheme counts them.
    """

    state: RuleState
    validation_loss: Float[Array, "run epoch"]
    validation_accuracy: Float[Array, "run epoch"]
    train_loss: Float[Array, "run epoch"]
    best_epoch: Int[Array, "run"]
    num_epochs: Int[Array, "run"]
    counts: dict[str, Float[Array, "run"]]

    @property
    def reads(self) -> Float[Array, "run"]:
        """Measurements of devices made in training."""
        return self.counts["reads"]


def train(
    keys: PRNGKeyArray,
    scheme: Scheme,
    hardware: PyTree,
    data: TrainingData,
    options: TrainOptions = TrainOptions(),  # noqa: B008 - frozen
    on_epoch: Callable[[int, Any], None] | None = None,
    checkpoint: Path | str | None = None,
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

    checkpoint : path, optional
        File that is written whole after each epoch, so that a crash costs one epoch. If it exists, training goes on
        from it, with the result of a training that was never stopped, to the bit.

    Returns
    -------
    Training
        Memory grows as run × (state + batch × synapses when reads are counted exactly); time as
        run × epochs × samples × synapses.

    Raises
    ------
    TrainError
        When a batch is larger than the training data, the inputs do not fit the network, or the checkpoint belongs to
        another training.
    """
    num_samples, num_features = data.train.x.shape
    if options.batch_size > num_samples:
        raise TrainError(f"batch_size {options.batch_size} exceeds the {num_samples} training samples")
    if num_features != scheme.num_inputs:
        raise TrainError(f"the data have {num_features} inputs a sample, the network {scheme.num_inputs}")
    with listening(on_epoch) as ticket:

        def until(epoch: int, progress: Progress) -> Progress:
            listened = on_epoch is not None
            return advance(scheme, options, listened, progress, epoch, keys, hardware, data, ticket)

        progress = begin(scheme, options, keys, hardware, data)
        if checkpoint is None:
            progress = until(options.epochs, progress)
        else:
            run = fingerprint((scheme, options, *_arrays((keys, hardware, data))))
            progress = _with_checkpoints(progress, until, options, Path(checkpoint), run)
        return jax.block_until_ready(_training(progress))


def _with_checkpoints(
    progress: Progress,
    until: Callable[[int, Progress], Progress],
    options: TrainOptions,
    path: Path,
    run: str,
) -> Progress:
    if path.exists():
        progress = load_run(path, run, progress)
    while int(progress.epoch) < options.epochs and bool(is_active(progress, options).any()):
        progress = until(int(progress.epoch) + 1, progress)
        save_run(path, run, progress)
    return progress


def _training(progress: Progress) -> Training:
    train_loss, validation_loss, accuracy = jnp.moveaxis(progress.history, 1, 0)
    num_epochs = jnp.isfinite(train_loss).sum(1)
    return Training(
        progress.best, validation_loss, accuracy, train_loss, progress.best_epoch, num_epochs, progress.counts
    )


def _arrays(tree: PyTree) -> list[Array]:
    """Leaves as plain arrays; of keys their words."""
    return [
        jax.random.key_data(leaf) if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(tree)
    ]


def compile_train(
    keys: PRNGKeyArray, scheme: Scheme, hardware: PyTree, data: TrainingData, options: TrainOptions
) -> jax.stages.Compiled:
    """Compile the loop of `train` for these arguments without running it, to ask what it needs."""
    progress = begin(scheme, options, keys, hardware, data)
    return advance.lower(scheme, options, False, progress, options.epochs, keys, hardware, data, 0).compile()
