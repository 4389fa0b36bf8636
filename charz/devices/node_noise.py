"""Noise at the nodes of a network, in volts: THE contract of its sources, and the two memoryless ones.

Learning by perturbation needs neurons that fluctuate. What fluctuates - a telegraph junction, a record, a random
number - is replaceable: each source says how it starts, what it gives in consecutive reads, and its moments.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.devices.random_words import normal, random_words, to_uniform
from charz.errors import CharzError

# Level of the published Bernoulli noise, in V (authors' code of Koenders et al. 2025).
BERNOULLI_LEVEL = 0.0125


class NodeNoise(eqx.Module):
    """A source of noise for every node of a network; its array leaves are () or (nodes,).

    Rows of a drawn array are consecutive reads of each node: time runs along the batch. The state is what the next
    read remembers; give it to the next call. With leaves of shape (draw, nodes) a source is mapped by `jax.vmap`.
    """

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray, nodes: int) -> PyTree:
        """State of `nodes` sources that have run for long.

        Raises
        ------
        CharzError
            When the parameters are for another number of nodes.
        """

    @abc.abstractmethod
    def draw(
        self, key: PRNGKeyArray, state: PyTree, batch: int, nodes: int
    ) -> tuple[Float[Array, "batch nodes"], PyTree]:
        """Noise in V of `batch` consecutive reads of every node, and the state after them."""

    @abc.abstractmethod
    def mean(self) -> Float[Array, "..."]:
        """Mean of one read in V: () or (nodes,)."""

    @abc.abstractmethod
    def variance(self) -> Float[Array, "..."]:
        """Variance of one read in V²: () or (nodes,)."""

    def residual(self) -> Float[Array, "..."]:
        """Standard deviation in V of what remains while nothing switches: 0 where there is no such state."""
        return jnp.zeros(())


class GaussianNoise(NodeNoise):
    """White Gaussian noise, the textbook perturbation.

    Parameters
    ----------
    deviation : array () or (nodes,)
        Standard deviation, in V, > 0.
    offset : array () or (nodes,)
        Mean, in V.
    """

    deviation: Float[Array, "..."] = eqx.field(converter=jnp.asarray)
    offset: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=0.0)

    def __check_init__(self) -> None:
        require_everywhere(
            "deviation", self.deviation, lambda value: value > 0, "positive: without spread nothing is learnt"
        )

    def init(self, key: PRNGKeyArray, nodes: int) -> tuple[()]:
        """Nothing is remembered."""
        require_nodes(self, nodes)
        return ()

    def draw(
        self, key: PRNGKeyArray, state: tuple[()], batch: int, nodes: int
    ) -> tuple[Float[Array, "batch nodes"], tuple[()]]:
        """Independent normal numbers in V, (batch, nodes)."""
        return self.offset + self.deviation * normal(key, (batch, nodes)), state

    def mean(self) -> Float[Array, "..."]:
        """Offset, in V."""
        return self.offset

    def variance(self) -> Float[Array, "..."]:
        """Square of the deviation, in V²."""
        return self.deviation**2


class BernoulliNoise(NodeNoise):
    r"""Two levels without memory: :math:`V = v\,(s - c)`, :math:`P(s = 1) = p` afresh at every read.

    Koenders et al. (2025) compare their junction with it: level 12.5 mV, p = 1/2.

    Parameters
    ----------
    level : array () or (nodes,)
        Distance v of the two levels, in V, > 0.
    probability : array () or (nodes,)
        p of the upper level, inside (0, 1).
    centred : bool
        Take the mean away (c = p), else the lower level is 0 (c = 0).
    """

    level: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=BERNOULLI_LEVEL)
    probability: Float[Array, "..."] = eqx.field(converter=jnp.asarray, default=0.5)
    centred: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        require_everywhere(
            "level", self.level, lambda value: value > 0, "positive: without spread nothing is learnt"
        )
        require_everywhere(
            "probability",
            self.probability,
            lambda value: (value > 0) & (value < 1),
            "inside (0, 1): a source that never changes teaches nothing",
        )

    def init(self, key: PRNGKeyArray, nodes: int) -> tuple[()]:
        """Nothing is remembered."""
        require_nodes(self, nodes)
        return ()

    def draw(
        self, key: PRNGKeyArray, state: tuple[()], batch: int, nodes: int
    ) -> tuple[Float[Array, "batch nodes"], tuple[()]]:
        """Independent two-level numbers in V, (batch, nodes)."""
        up = to_uniform(random_words(key, (batch, nodes))[0]) < self.probability
        centre = self.probability if self.centred else 0.0
        return self.level * (up - centre), state

    def mean(self) -> Float[Array, "..."]:
        """Level × probability in V, or 0 where it is taken away."""
        return jnp.zeros_like(self.level) if self.centred else self.level * self.probability

    def variance(self) -> Float[Array, "..."]:
        """v² p (1 - p), in V²."""
        return self.level**2 * self.probability * (1 - self.probability)


def require_nodes(source: NodeNoise, nodes: int) -> None:
    """Check that every parameter is for all nodes, or one a node.

    Raises
    ------
    CharzError
        Where a parameter has another shape.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(source):
        if jnp.shape(leaf) not in ((), (nodes,)):
            name = jax.tree_util.keystr(path).lstrip(".")
            raise CharzError(
                f"{name} of {type(source).__name__} has shape {jnp.shape(leaf)}; the network has {nodes} noisy nodes, "
                f"so it must be () or ({nodes},): one source a node"
            )


def require_everywhere(name: str, value: Any, valid: Any, what: str) -> None:
    """Check values that are known (inside a compiled function they are not, and pass).

    Raises
    ------
    CharzError
        Where one of them is not valid.
    """
    if isinstance(value, jax.core.Tracer):
        return
    values = np.asarray(value)
    wrong = ~np.asarray(valid(values))
    if wrong.any():
        raise CharzError(f"{name} is {values[wrong].flat[0]:g}; it must be {what}")
