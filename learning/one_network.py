"""One network of a prediction: trained, programmed, read, by the same compiled programs whoever its neighbours are.

Networks are computed one after another and never side by side in one array. Another number of them in an array
would be another program, whose sums run in another order: the last bits, and then single samples, would depend on
how the work was divided. A CPU gains little from such arrays; several networks at a time come from threads and
worker processes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.learning.evaluation import evaluate
from charz.learning.inference import Inference
from charz.learning.rule import Batch, RuleState
from charz.learning.schemes import Scheme
from charz.learning.train import train
from charz.learning.training_loop import TrainingData, TrainOptions, begin


class Setting(NamedTuple):
    """What all networks of a prediction share: plain values and NumPy arrays, so that it can be sent.

    ``key_kind`` names the generator whose words the keys of a network are.
    """

    scheme: Scheme
    options: TrainOptions
    inference: Inference
    repeats: int
    key_kind: str
    believed: PyTree
    data: TrainingData
    test: Batch


class ToTrain(NamedTuple):
    """A network that is trained on devices as believed; leaves lead with a ``row`` axis, keys are their words."""

    train_key: np.ndarray


class ToTrainAndRead(NamedTuple):
    """A network that is trained and read on the same devices."""

    train_key: np.ndarray
    read_key: np.ndarray
    actual: PyTree


class ToProgram(NamedTuple):
    """A trained network that is written to other devices and read there."""

    write_key: np.ndarray
    read_key: np.ndarray
    actual: PyTree
    state: RuleState


# From what networks share, and what is one's own, to a pytree that leads with the row axis.
OneNetwork = Callable[[Any, Any], PyTree]


def train_and_read(setting: Setting, own: ToTrainAndRead) -> Float[Array, "row repeat"]:
    """Accuracies of a network trained on its own array."""
    devices = _hardware(setting, own.actual)
    keys = _keys(setting, own.train_key)
    trained = train(keys, setting.scheme, devices, setting.data, setting.options)
    return _read(setting, own.read_key, devices, trained.state)


def train_as_believed(setting: Setting, own: ToTrain) -> RuleState:
    """State of a network trained on devices as they are believed to be."""
    keys = _keys(setting, own.train_key)
    return train(keys, setting.scheme, _as_believed(setting), setting.data, setting.options).state


def program_and_read(setting: Setting, own: ToProgram) -> Float[Array, "row repeat"]:
    """Accuracies of a trained network written to an array it was not trained on."""
    devices = _hardware(setting, own.actual)
    state = _transfer(_keys(setting, own.write_key), setting.scheme, devices, own.state)
    return _read(setting, own.read_key, devices, state)


def one_by_one(one: OneNetwork, shared: Any, own: PyTree) -> list[np.ndarray]:
    """Results of networks, each computed by itself.

    Parameters
    ----------
    one : callable
        ``one(shared, own) -> pytree``.
    shared : pytree
    own : pytree
        Leaves lead with a row axis of any length.

    Returns
    -------
    list of arrays
        Leaves of the results, over the same rows.
    """
    num_rows = jax.tree.leaves(own)[0].shape[0]
    rows = [jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], own) for row in range(num_rows)]
    results = [[np.asarray(leaf) for leaf in jax.tree.leaves(one(shared, row))] for row in rows]
    return [np.concatenate(leaves) for leaves in zip(*results, strict=True)]


def state_structure(setting: Setting, own: ToTrain) -> jax.tree_util.PyTreeDef:
    """Structure of what `train_as_believed` gives, without training."""

    def start(key: PRNGKeyArray) -> RuleState:
        return begin(setting.scheme, setting.options, key, _as_believed(setting), setting.data).state

    return jax.tree.structure(jax.eval_shape(start, _keys(setting, own.train_key)))


def on_host(tree: PyTree) -> PyTree:
    """The same tree with NumPy arrays: they travel between processes without a word to any device."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, tree)


def _keys(setting: Setting, words: np.ndarray) -> PRNGKeyArray:
    return jax.random.wrap_key_data(jnp.asarray(words), impl=setting.key_kind)


def _hardware(setting: Setting, actual: PyTree) -> PyTree:
    return setting.scheme.hardware(jax.tree.map(jnp.asarray, actual), _with_row_axis(setting.believed))


def _as_believed(setting: Setting) -> PyTree:
    return _with_row_axis(setting.scheme.hardware(setting.believed, setting.believed))


def _read(
    setting: Setting, words: np.ndarray, devices: PyTree, state: RuleState
) -> Float[Array, "row repeat"]:
    keys = _keys(setting, words)
    return evaluate(keys, setting.scheme, devices, state, setting.test, setting.repeats, setting.inference)


@partial(jax.jit, static_argnums=1)
def _transfer(keys: PRNGKeyArray, scheme: Scheme, devices: PyTree, state: RuleState) -> RuleState:
    return jax.vmap(scheme.transfer)(keys, devices, state)


def _with_row_axis(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (1, *jnp.shape(leaf))), tree)
