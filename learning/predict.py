"""Accuracy of networks on devices nobody has measured, with the uncertainty of the device model."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.errors import TrainError
from charz.learning.chunk_store import check_store, open_store
from charz.learning.inference import SINGLE_SHOT, Inference
from charz.learning.one_network import (
    Setting,
    ToProgram,
    ToTrain,
    ToTrainAndRead,
    on_host,
    program_and_read,
    state_structure,
    train_and_read,
    train_as_believed,
)
from charz.learning.rule import Batch
from charz.learning.run_state import fingerprint
from charz.learning.schemes import Scheme
from charz.learning.training_loop import TrainingData, TrainOptions
from charz.learning.variance import SOURCES, split_variance
from charz.learning.versions import versions
from charz.learning.work import NETWORKS_A_CHUNK, Part, Workshop, finish, in_process

if TYPE_CHECKING:
    from distributed import Client

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
    chunk_size: int = NETWORKS_A_CHUNK,
    on_progress: Callable[[int, int], None] | None = None,
    client: "Client | None" = None,
    chunks: Path | str | None = None,
    resume: bool = False,
) -> xr.Dataset:
    """Predict the accuracy of a network on unmeasured devices, over (draw, array, seed, repeat).

    Parameters
    ----------
    key : PRNG key
        Everything random derives from it by index: the same bits come out for every chunking, number of threads and
        number of workers, in process and on a cluster (on CPUs of one kind, with the same versions).
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
        Networks that are sent and stored together. A CPU computes one of them at a time, which bounds the memory.
    on_progress : callable, optional
        ``on_progress(done, total)`` networks, called as chunks finish, in whatever order; in mode "transfer" those
        trained on believed devices count too.
    client : distributed.Client, optional
        Dask cluster whose workers compute the chunks (`charz.learning.cluster.on_cluster`); without, threads of this
        process.
    chunks : path, optional
        Folder that receives each finished chunk. It stays there: `charz.learning.chunk_store.delete_store` deletes it
        once the result is in safety.
    resume : bool
        Go on from the chunks in that folder.

    Returns
    -------
    xarray.Dataset
        ``accuracy`` (draw, array, seed, repeat), fraction of the test set; attributes hold mean, the central
        90 % predictive interval of one reading of one network, and the variance split.

    Raises
    ------
    TrainError
        For an unknown mode, an empty design, a scheme without devices, a folder of chunks that exists without
        `resume`, is missing with it or belongs to another prediction, and a cluster that cannot do the work.
    """
    _check(scheme, mode, design, chunk_size)
    if chunks is not None:
        check_store(chunks, resume=resume)
    _, key_train, key_read = jax.random.split(key, 3)
    actual = sample_devices(device_key(key), design.draws, (design.arrays, scheme.num_devices))
    kind = str(jax.random.key_impl(key))
    setting = Setting(
        scheme, options, inference, design.repeats, kind, on_host(believed), on_host(data), on_host(test)
    )
    rows = _Rows(key_train, key_read, on_host(_flatten_arrays(actual)), design)
    store = None
    if chunks is not None:
        store = open_store(chunks, _request(key, mode, setting, rows), resume=resume)
    workshop = in_process if client is None else _on_cluster(client)
    total = design.num_networks + (design.seeds if mode == "transfer" else 0)
    before = 0

    def finished(part: Part) -> list[np.ndarray]:
        nonlocal before
        start = before
        before += part.num_rows
        seen = None if on_progress is None else lambda done: on_progress(start + done, total)
        return finish(part, chunk_size, workshop, store, seen)

    accuracy = (_in_situ if mode == "in-situ" else _transfer)(setting, rows, finished)
    return _dataset(accuracy.reshape(design), mode, inference)


def device_key(key: PRNGKeyArray) -> PRNGKeyArray:
    """Key with which `predict_accuracy`, given `key`, samples its devices."""
    return jax.random.split(key, 3)[0]


class _Rows(NamedTuple):
    """What is one network's own; seeds run fastest, then arrays, then draws. ``actual`` leads with draw × array."""

    key_train: PRNGKeyArray
    key_read: PRNGKeyArray
    actual: PyTree
    design: Design

    def to_train(self, seeds: np.ndarray) -> ToTrain:
        return ToTrain(_words(self.key_train, seeds))

    def to_train_and_read(self, rows: np.ndarray) -> ToTrainAndRead:
        keys = _words(self.key_train, rows), _words(self.key_read, rows)
        return ToTrainAndRead(*keys, self._devices(rows))

    def to_program(self, rows: np.ndarray, trained: PyTree) -> ToProgram:
        key_write = jax.random.fold_in(self.key_read, PROGRAMMING)
        state = jax.tree.map(lambda leaf: leaf[rows % self.design.seeds], trained)
        return ToProgram(_words(key_write, rows), _words(self.key_read, rows), self._devices(rows), state)

    def _devices(self, rows: np.ndarray) -> PyTree:
        return jax.tree.map(lambda leaf: leaf[rows // self.design.seeds], self.actual)


Finished = Callable[[Part], list[np.ndarray]]


def _in_situ(setting: Setting, rows: _Rows, finished: Finished) -> np.ndarray:
    """Every network trained on its own array."""
    part = Part("accuracy", train_and_read, setting, rows.to_train_and_read, rows.design.num_networks)
    return finished(part)[0]


def _transfer(setting: Setting, rows: _Rows, finished: Finished) -> np.ndarray:
    """One network a seed, trained on devices as believed, and programmed into every array."""
    leaves = finished(Part("trained", train_as_believed, setting, rows.to_train, rows.design.seeds))
    trained = jax.tree.unflatten(state_structure(setting, rows.to_train(np.arange(1))), leaves)
    own = partial(rows.to_program, trained=trained)
    return finished(Part("accuracy", program_and_read, setting, own, rows.design.num_networks))[0]


def _request(key: PRNGKeyArray, mode: Mode, setting: Setting, rows: _Rows) -> str:
    """Fingerprint of everything on which a bit of the result depends."""
    arrays = (setting.believed, rows.actual, setting.data, setting.test)
    plain = (setting.scheme, setting.options, setting.inference, setting.key_kind, rows.design, mode)
    structure = jax.tree.structure(arrays)
    leaves = map(np.asarray, (jax.random.key_data(key), *jax.tree.leaves(arrays)))
    return fingerprint((*versions(), *plain, structure, *leaves))


def _words(key: PRNGKeyArray, indices: np.ndarray) -> np.ndarray:
    """Keys by index, as the words that they are made of."""
    return np.asarray(jax.random.key_data(_keys(key, jnp.asarray(indices))))


def _keys(key: PRNGKeyArray, indices: Array) -> PRNGKeyArray:
    return jax.vmap(partial(jax.random.fold_in, key))(indices)


def _flatten_arrays(devices: PyTree) -> PyTree:
    """Join the (draw, array) axes of every leaf into one."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), devices)


def _on_cluster(client: "Client") -> Workshop:
    # Dask is an extra, and takes a second to import.
    from charz.learning.cluster import on_cluster

    return on_cluster(client)


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
