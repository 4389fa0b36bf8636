"""Accuracy of networks on devices nobody has measured, with the uncertainty of the device model."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.chunks import CHUNK_SIZE, in_chunks
from charz.learning.evaluation import evaluate
from charz.learning.inference import SINGLE_SHOT, Inference
from charz.learning.rule import Batch, RuleState
from charz.learning.schemes import Scheme
from charz.learning.train import train
from charz.learning.training_loop import TrainingData, TrainOptions
from charz.learning.variance import SOURCES, split_variance

Mode = Literal["in-situ", "transfer"]
MODES: tuple[Mode, ...] = ("in-situ", "transfer")
INTERVAL_PROBABILITY = 0.9
# Folded into the key of reads for that of programming; no row has this number.
PROGRAMMING = 2**31

SampleDevices = Callable[[PRNGKeyArray, int, tuple[int, ...]], PyTree]


class Design(NamedTuple):
    """How many of each: posterior draws, arrays a draw, training seeds an array, repeats (fresh reads)."""

    draws: int = 16
    arrays: int = 2
    seeds: int = 2
    repeats: int = 4

    @property
    def num_networks(self) -> int:
        """Networks that in-situ training trains."""
        return self.draws * self.arrays * self.seeds


def predict_accuracy(
    key: PRNGKeyArray,
    scheme: Scheme,
    sample_devices: SampleDevices,
    believed: PyTree,
    data: TrainingData,
    test: Batch,
    *,
    mode: Mode = "in-situ",
    design: Design = Design(),  # noqa: B008 - immutable
    options: TrainOptions = TrainOptions(),  # noqa: B008 - frozen
    inference: Inference = SINGLE_SHOT,
    chunk_size: int = CHUNK_SIZE,
    on_progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Predict the accuracy of a network on unmeasured devices, over (draw, array, seed, repeat).

    Parameters
    ----------
    key : PRNG key
        Everything random derives from it by index, so the result does not depend on the chunking's order.
    scheme : Scheme
        The network and how it learns.
    sample_devices : callable
        ``sample_devices(key, num_draws, shape) -> devices`` with leaves (draw, *shape): population parameters
        drawn once a draw, devices afresh; `Posterior.new_devices` is one.
    believed : pytree
        What the controller believes of every device (scalar leaves), for instance the posterior mean.
    data, test : TrainingData, Batch
        Training and validation data, and the test data of which the accuracy is reported.
    mode : {"in-situ", "transfer"}
        Train on every array of every draw; or train once a seed on believed devices, program the result into
        every array, and evaluate.
    design : Design
        Numbers of draws, arrays, seeds and repeats.
    options : TrainOptions
    inference : Inference
        How the trained networks are asked.
    chunk_size : int
        Networks trained together; bounds the memory.
    on_progress : callable, optional
        ``on_progress(done, total)`` networks, called as chunks finish.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` (draw, array, seed, repeat), fraction of the test set; attributes hold mean, the central
        90 % predictive interval of one reading of one network, and the variance split.

    Raises
    ------
    TrainError
        For an unknown mode, an empty design, or a scheme without devices.
    """
    _check(scheme, mode, design, chunk_size)
    key_devices, key_train, key_read = jax.random.split(key, 3)
    actual = sample_devices(key_devices, design.draws, (design.arrays, scheme.num_devices))
    task = _Task(
        key_train, key_read, scheme, _flatten_arrays(actual), believed, data, test, design, options, inference
    )
    one_chunk = (_train_in_situ if mode == "in-situ" else _program)(task)
    accuracy = in_chunks(one_chunk, design.num_networks, chunk_size, on_progress)
    return _dataset(accuracy.reshape(design), mode, inference)


class _Task(NamedTuple):
    """What both modes need; ``actual`` has leaves (draw × array, synapses)."""

    key_train: PRNGKeyArray
    key_read: PRNGKeyArray
    scheme: Scheme
    actual: PyTree
    believed: PyTree
    data: TrainingData
    test: Batch
    design: Design
    options: TrainOptions
    inference: Inference

    def hardware(self, rows: Array) -> PyTree:
        """Devices of the networks `rows`: seeds run fastest, then arrays, then draws."""
        actual = jax.tree.map(lambda leaf: leaf[rows // self.design.seeds], self.actual)
        return self.scheme.hardware(actual, _repeat(self.believed, rows.size))

    def read(self, rows: Array, state: PyTree) -> Array:
        """Accuracies (row, repeat) of trained networks on the devices of `rows`."""
        keys = _keys(self.key_read, rows)
        repeats = self.design.repeats
        return evaluate(keys, self.scheme, self.hardware(rows), state, self.test, repeats, self.inference)


def _train_in_situ(task: _Task) -> Callable[[Array], Array]:
    """Every network trained on its own array."""

    def one_chunk(rows: Array) -> Array:
        keys = _keys(task.key_train, rows)
        trained = train(keys, task.scheme, task.hardware(rows), task.data, task.options)
        return task.read(rows, trained.state)

    return one_chunk


def _program(task: _Task) -> Callable[[Array], Array]:
    """One network a seed, trained on devices as believed, and programmed into every array."""
    seeds = jnp.arange(task.design.seeds)
    as_believed = _repeat(task.scheme.hardware(task.believed, task.believed), task.design.seeds)
    trained = train(_keys(task.key_train, seeds), task.scheme, as_believed, task.data, task.options)

    def one_chunk(rows: Array) -> Array:
        state = jax.tree.map(lambda leaf: leaf[rows % task.design.seeds], trained.state)
        keys = _keys(jax.random.fold_in(task.key_read, PROGRAMMING), rows)
        return task.read(rows, _transfer(keys, task.scheme, task.hardware(rows), state))

    return one_chunk


@partial(jax.jit, static_argnums=1)
def _transfer(keys: PRNGKeyArray, scheme: Scheme, hardware: PyTree, state: RuleState) -> RuleState:
    return jax.vmap(scheme.transfer)(keys, hardware, state)


def _keys(key: PRNGKeyArray, indices: Array) -> PRNGKeyArray:
    return jax.vmap(partial(jax.random.fold_in, key))(indices)


def _repeat(tree: PyTree, times: int) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (times, *jnp.shape(leaf))), tree)


def _flatten_arrays(devices: PyTree) -> PyTree:
    """Join the (draw, array) axes of every leaf into one."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), devices)


def _dataset(
    accuracy: Float[np.ndarray, "draw array seed repeat"], mode: Mode, inference: Inference
) -> xr.Dataset:
    dims = ("draw", "array", "seed", "repeat")
    tail = (1 - INTERVAL_PROBABILITY) / 2
    # Rank p(n + 1): between these order statistics a further reading of the same kind falls with probability 0.9.
    low, high = np.quantile(accuracy, [tail, 1 - tail], method="weibull")
    split = split_variance(accuracy.astype(float), shared_seeds=mode == "transfer")
    variable = xr.DataArray(
        accuracy, dims=dims, attrs={"units": "1", "long_name": "accuracy on the test data (fraction)"}
    )
    coords = {dim: np.arange(size) for dim, size in zip(dims, accuracy.shape, strict=True)}
    attrs = {
        "mode": mode,
        "inference": str(inference),
        "interval": f"central {INTERVAL_PROBABILITY:.0%} predictive interval of one reading of one network",
        "accuracy_mean": float(accuracy.mean()),
        "accuracy_q05": float(low),
        "accuracy_q95": float(high),
        **{f"variance_{source}": value for source, value in split._asdict().items()},
    }
    return xr.Dataset({"accuracy": variable}, coords=coords, attrs=attrs)


def _check(scheme: Scheme, mode: str, design: Design, chunk_size: int) -> None:
    if mode not in MODES:
        raise TrainError(f"mode {mode!r} is not known; choose one of {', '.join(MODES)}")
    for name, value in (*design._asdict().items(), ("chunk_size", chunk_size)):
        if value < 1:
            raise TrainError(f"{name} is {value}; it must be at least 1")
    if scheme.devices is None:
        raise TrainError(
            f"scheme {scheme.name!r} has no devices whose uncertainty could be propagated; train it instead"
        )


def summary(prediction: xr.Dataset) -> dict[str, dict[str, float]]:
    """Numbers of a prediction as the command line prints them: ``accuracy`` and ``variance``."""
    return {
        "accuracy": {name: prediction.attrs[f"accuracy_{name}"] for name in ("mean", "q05", "q95")},
        "variance": {name: prediction.attrs[f"variance_{name}"] for name in SOURCES},
    }
