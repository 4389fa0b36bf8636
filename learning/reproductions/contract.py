"""THE contract of a reproduction: what a paper's table is made of, and what stands beside it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, PRNGKeyArray, PyTree

from charz.learning.evaluation import evaluate
from charz.learning.inference import SINGLE_SHOT, Inference
from charz.learning.rule import Batch
from charz.learning.schemes import Scheme
from charz.learning.train import train
from charz.learning.training_loop import TrainingData, TrainOptions

Scale = Literal["quick", "full"]
SCALES: tuple[Scale, ...] = ("quick", "full")
INTERVAL_PROBABILITY = 0.9


class Sources(NamedTuple):
    """Where data come from, for learning knows nothing of files.

    ``load(name, preprocess) -> data, test``; ``gates``: data voltages (case, data) in V, targets (gate, case).
    """

    load: Callable[[str, str], tuple[TrainingData, Batch]]
    gates: tuple[np.ndarray, np.ndarray]


class Target(NamedTuple):
    """What a number is held against, as it is printed: ``text``, and ``of``: the paper, or charz's reference runs."""

    text: str
    of: str


NO_TARGET = Target("", "")


@dataclass(frozen=True)
class Experiment(ABC):
    """One row of the table.

    Parameters
    ----------
    what : str
        What is measured, with network, data and inference.
    target : Target
    """

    what: str
    target: Target

    @abstractmethod
    def run(self, key: PRNGKeyArray, num_seeds: int, sources: Sources) -> np.ndarray:
        """Measured values, one a seed: fractions of 1."""


@dataclass(frozen=True)
class NetworkExperiment(Experiment):
    """Test accuracy of trained networks.

    Parameters
    ----------
    data, preprocess : str
        Names that ``Sources.load`` knows.
    scheme : Scheme
    options : TrainOptions
    device : pytree or None
        What every device is, and is believed to be; None for software.
    inference : Inference
    """

    data: str
    preprocess: str
    scheme: Scheme
    options: TrainOptions
    device: PyTree = None
    inference: Inference = SINGLE_SHOT

    def run(self, key: PRNGKeyArray, num_seeds: int, sources: Sources) -> np.ndarray:
        """Mean accuracy over four readings of each seed's network."""
        data, test = sources.load(self.data, self.preprocess)
        key_train, key_read = jax.random.split(key)
        hardware = None
        if self.device is not None:
            alike = jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *jnp.shape(leaf))), self.device
            )
            hardware = self.scheme.hardware(alike, alike)
        trained = train(jax.random.split(key_train, num_seeds), self.scheme, hardware, data, self.options)
        keys = jax.random.split(key_read, num_seeds)
        accuracy: Array = evaluate(keys, self.scheme, hardware, trained.state, test, 4, self.inference)
        return np.asarray(accuracy).mean(1)


class Paper(NamedTuple):
    """A paper, and how charz repeats it: ``experiments(scale)``, and what ``differs(scale)`` from the paper."""

    name: str
    source: str
    experiments: Callable[[Scale], tuple[Experiment, ...]]
    differs: Callable[[Scale], tuple[str, ...]]


class Row(NamedTuple):
    """A finished row: mean over seeds, and the 90 % interval of that mean (NaN for one seed)."""

    what: str
    mean: float
    low: float
    high: float
    num_seeds: int
    target: Target


def measure(experiment: Experiment, key: PRNGKeyArray, num_seeds: int, sources: Sources) -> Row:
    """Run an experiment; the interval is Student's, from the spread of its seeds."""
    values = experiment.run(key, num_seeds, sources)
    mean = float(values.mean())
    if len(values) < 2:
        return Row(experiment.what, mean, np.nan, np.nan, len(values), experiment.target)
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(scipy.stats.t.ppf((1 + INTERVAL_PROBABILITY) / 2, len(values) - 1) * error)
    return Row(experiment.what, mean, mean - half, mean + half, len(values), experiment.target)
