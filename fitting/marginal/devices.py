"""Likelihood of many devices at many points: in blocks, so that memory does not grow with the number of devices."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from charz.fitting.contract import Model
from charz.fitting.differences import central_differences
from charz.fitting.inference import COMPILER_OPTIONS
from charz.fitting.marginal.coordinates import Coordinates
from charz.fitting.marginal.grid import NODES_PER_CALL

BLOCK = 2048
# Outcomes of the devices of a block: all nodes of one call hold some hundred bytes an outcome.
OUTCOMES_OF_A_BLOCK = 800_000
# Outcomes evaluated by one call of a compiled program: what it holds at once stays below some ten megabytes.
OUTCOMES_PER_CALL = 2_000_000


class Devices:
    """Devices of a dataset, to be evaluated inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    model : Model
        Without latent variables.
    coordinates : Coordinates
    arrays : mapping
        Observations (device, ...).
    labels : array of int (device,), optional
        Numbers of the devices, which their random numbers belong to.
    block : int, optional
        Devices of one call.
    """

    def __init__(
        self,
        model: Model,
        coordinates: Coordinates,
        arrays: Mapping[str, Any],
        labels: np.ndarray | None = None,
        block: int | None = None,
    ) -> None:
        self.model, self.coordinates, self._arrays = model, coordinates, arrays
        self.number = len(next(iter(arrays.values())))
        self.labels = np.arange(self.number) if labels is None else labels
        self.outcomes = max(int(np.prod(array.shape[1:])) for array in arrays.values())
        self.block = min(self.number, self.most_at_once) if block is None else block
        self.blocks = [
            {
                name: jnp.asarray(self._filled(np.asarray(array), start), jnp.float64)
                for name, array in arrays.items()
            }
            for start in self.starts
        ]

    @property
    def most_at_once(self) -> int:
        """Devices of a block, at most."""
        return int(np.clip(OUTCOMES_OF_A_BLOCK // max(self.outcomes, 1), 1, BLOCK))

    def only(self, places: np.ndarray, block: int | None = None) -> "Devices":
        """Some of the devices, in blocks of so many."""
        arrays = {name: np.asarray(array)[places] for name, array in self._arrays.items()}
        return Devices(self.model, self.coordinates, arrays, self.labels[places], block)

    @property
    def starts(self) -> range:
        """Numbers of the first device of each block."""
        return range(0, self.number, self.block)

    def draws_per_call(self, points: int) -> int:
        """How many populations one call takes, at so many points of each device."""
        return int(np.clip(OUTCOMES_PER_CALL // (self.block * points * self.outcomes), 1, 256))

    def _filled(self, array: np.ndarray, start: int) -> np.ndarray:
        """Take a block; the last one is filled up with the last device."""
        part = array[start : start + self.block]
        return np.concatenate([part, np.repeat(part[-1:], self.block - len(part), axis=0)])

    def split(self, tree: Any, single: bool = False) -> Iterator[tuple[slice, dict[str, Array], Any]]:
        """Go through the blocks: their devices, their observations, and their part of arrays (device, ...).

        Observations are in single precision where asked.
        """
        precision = jnp.float32 if single else jnp.float64
        for start, arrays in zip(self.starts, self.blocks, strict=True):
            here = slice(start, min(start + self.block, self.number))
            arrays = {name: array.astype(precision) for name, array in arrays.items()}
            yield here, arrays, jax.tree.map(lambda leaf: self._filled(np.asarray(leaf), start), tree)  # noqa: B023

    def log_likelihoods(self, eta: np.ndarray, single: bool = False) -> np.ndarray:
        """Evaluate linked parameters (device, point, parameter); nats, (device, point)."""
        program, result = _log_likelihoods(self.model), np.empty(eta.shape[:2])
        for here, arrays, block in self.split(eta.astype(np.float32 if single else float), single):
            for start in range(0, eta.shape[1], NODES_PER_CALL):
                points = block[:, start : start + NODES_PER_CALL]
                missing = NODES_PER_CALL - points.shape[1]
                found = np.asarray(
                    program(np.pad(points, ((0, 0), (0, missing), (0, 0)), mode="edge"), arrays)
                )
                stop = start + points.shape[1]
                result[here, start:stop] = found[: here.stop - here.start, : stop - start]
        return result

    def expand(self, eta: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log likelihood (device,) at linked parameters (device, parameter), its gradient, minus its Hessian.

        By central differences: the points of one expansion fit into one call of the program that is there anyway.
        """
        return central_differences(self.values_at, eta, steps)

    def values_at(self, points: np.ndarray) -> np.ndarray:
        """Log likelihoods (point, device) at linked parameters (point, device, parameter)."""
        return self.log_likelihoods(points.swapaxes(0, 1)).T


def log_likelihood_of(model: Model) -> Callable[[Array, Any], Array]:
    """Log likelihood of ONE device in nats, from its linked parameters (parameter,) in the order of the model."""
    names = [p.linked_name for p in model.free]

    def function(eta: Array, arrays: Any) -> Array:
        linked = {name: eta[i] for i, name in enumerate(names)}
        return model.log_likelihood(model.values_from_linked(linked), arrays).sum()

    return function


@lru_cache(maxsize=32)
def _log_likelihoods(model: Model) -> Callable[..., Array]:
    every = jax.vmap(jax.vmap(log_likelihood_of(model), (0, None)))
    return jax.jit(every, compiler_options=COMPILER_OPTIONS)
