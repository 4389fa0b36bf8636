"""A recorded trace replayed as the noise of every node: one measured device stands for all of them.

How the record is cut decides whether learning works. Neighbouring samples are correlated over the junction's dwell
time, so a cut that gives them to neighbouring nodes makes these fluctuate together and filters the learnt direction;
nodes that are many correlation times apart in the record are as good as devices of their own.
"""

from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from charz.devices.node_noise import NodeNoise
from charz.devices.random_words import random_words
from charz.errors import CharzError

Cut = Literal["strided", "row-major"]
CUTS: tuple[Cut, ...] = ("strided", "row-major")
# Positions are 32-bit, and a position, a node's lead and a batch are added before they are wrapped.
MOST_SAMPLES = 2**30
# The correlation time is sought in at most so many samples.
SEARCHED_SAMPLES = 2**20
# Nodes this many correlation times apart share less than a per cent of their fluctuation.
INDEPENDENT_TIMES = 5.0
# A record of fewer correlation times does not show its correlation time.
LEAST_TIMES = 20


class ReplayState(NamedTuple):
    """Where in the record the next read begins."""

    position: UInt32[Array, ""]


class RecordedNoise(NodeNoise):
    r"""Voltages of a record, read again.

    ``strided``: at its t-th read node n sees sample :math:`p + n\,\text{stride} + t`, so each node keeps the memory
    of the junction from read to read while nodes are `stride` samples apart. ``row-major``: sample
    :math:`p + tN + n`, which hands consecutive samples to neighbouring nodes of one read (authors' code of Koenders
    et al. 2025; biased, section "correlated noise": for showing the effect). The index wraps around at the end of the
    record: nothing is padded, and after one length every node sees the same numbers again.

    Parameters
    ----------
    trace : array (samples,)
        Record in V, of equally spaced samples; its interval becomes the interval between reads.
    cut : {"strided", "row-major"}
    stride : int, optional
        Samples between neighbouring nodes of a strided cut; by default as far apart as the record allows,
        samples // nodes.

    Raises
    ------
    CharzError
        For a record that is too short, too long, not finite or constant, an unknown cut, or a stride below 1.
    """

    trace: Float[Array, "samples"] = eqx.field(converter=jnp.asarray)
    cut: Cut = eqx.field(static=True, default="strided")
    stride: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.cut not in CUTS:
            raise CharzError(f"cut {self.cut!r} is not known; it must be one of {', '.join(CUTS)}")
        if self.stride is not None and self.stride < 1:
            raise CharzError(f"stride is {self.stride}; nodes must be at least 1 sample apart")
        _check_trace(np.asarray(self.trace))

    def init(self, key: PRNGKeyArray, nodes: int) -> ReplayState:
        """Begin anywhere in the record.

        Raises
        ------
        CharzError
            When the record has no room for that many nodes at this stride.
        """
        length, stride = self.trace.size, self.stride_for(nodes)
        if stride * nodes > length or stride < 1:
            raise CharzError(
                f"the record has {length} samples; {nodes} nodes at a stride of {max(stride, 1)} need "
                f"{max(stride, 1) * nodes}, or nodes would read the same samples together after wrapping around"
            )
        return ReplayState(random_words(key, ())[0] % jnp.uint32(length))

    def draw(
        self, key: PRNGKeyArray, state: ReplayState, batch: int, nodes: int
    ) -> tuple[Float[Array, "batch nodes"], ReplayState]:
        """Next `batch` reads of every node, in V; the key is not used, the record is what it is."""
        length = jnp.uint32(self.trace.size)
        read, node = jnp.arange(batch, dtype=jnp.uint32)[:, None], jnp.arange(nodes, dtype=jnp.uint32)
        if self.cut == "strided":
            index, advance = read + node * jnp.uint32(self.stride_for(nodes)), batch
        else:
            index, advance = read * jnp.uint32(nodes) + node, batch * nodes
        end = (state.position + jnp.uint32(advance % self.trace.size)) % length
        return self.trace[(state.position + index % length) % length], ReplayState(end)

    def mean(self) -> Float[Array, ""]:
        """Mean of the record, in V."""
        return self.trace.mean()

    def variance(self) -> Float[Array, ""]:
        """Variance of the record, in V²."""
        return self.trace.var()

    def stride_for(self, nodes: int) -> int:
        """Samples between neighbouring nodes."""
        if self.cut == "row-major":
            return 1
        return self.trace.size // nodes if self.stride is None else self.stride

    def describe(self, nodes: int) -> str:
        """One sentence on how the record is cut: stride in correlation times, and what repeats when."""
        stride, length = self.stride_for(nodes), self.trace.size
        time = correlation_time(np.asarray(self.trace))
        apart = stride / time if time > 0 else np.inf
        verdict = (
            "nodes are independent"
            if apart >= INDEPENDENT_TIMES
            else "NEIGHBOURING NODES FLUCTUATE TOGETHER and the learnt direction is biased"
        )
        reads = length if self.cut == "strided" else length // nodes
        return (
            f"record of {length} samples, {self.cut}: {nodes} nodes {stride} samples = {apart:.3g} correlation times "
            f"apart ({verdict}); wraps around after {reads} reads of every node"
        )


def correlation_time(trace: Float[np.ndarray, "samples"]) -> float:
    r"""Time in samples over which a record forgets, of the part that remembers at all.

    The lag, after lag 1, at which the autocorrelation has fallen to 1/e of that at lag 1, interpolated in its
    logarithm: for telegraph noise read with white noise, :math:`a\rho^k`, this is :math:`-1/\ln\rho` whatever a.

    Parameters
    ----------
    trace : array (samples,)
        At most the first 2²⁰ samples are searched.

    Returns
    -------
    float
        0 where lag 1 is within 3 standard errors of none, :math:`3/\sqrt n`.

    Raises
    ------
    CharzError
        When the record is shorter than 20 such times: no more than its drift is seen.
    """
    trace = np.asarray(trace, float)[:SEARCHED_SAMPLES]
    size = trace.size
    spectrum = np.abs(np.fft.rfft(trace - trace.mean(), 2 * size)) ** 2
    sums = np.fft.irfft(spectrum)[: size // 2]
    remembered = sums / sums[0]
    if remembered[1] < 3 / np.sqrt(size):
        return 0.0
    below = np.flatnonzero(remembered[1:] < remembered[1] / np.e)
    last = int(below[0]) if below.size else size
    if last * LEAST_TIMES > size:
        raise CharzError(
            f"trace of {size} samples is less than {LEAST_TIMES} correlation times long: it drifts, or holds too few "
            "switching events to tell; take the drift away or record for longer"
        )
    step = np.log(remembered[last] / max(remembered[last + 1], np.finfo(float).tiny))
    return float(last - 1 + np.log(remembered[last] * np.e / remembered[1]) / step)


def _check_trace(trace: np.ndarray) -> None:
    """Check that a record can be replayed."""
    if trace.ndim != 1 or not 2 <= trace.size <= MOST_SAMPLES:
        raise CharzError(
            f"trace has shape {trace.shape}; it must be one row of 2 to {MOST_SAMPLES} samples (positions are 32-bit)"
        )
    if not np.isfinite(trace).all():
        where = int(np.flatnonzero(~np.isfinite(trace))[0])
        raise CharzError(f"trace has no finite voltage at sample {where}; cut or fill gaps before replaying")
    if trace.min() == trace.max():
        raise CharzError(f"trace is {trace[0]:g} V throughout; a source that never changes teaches nothing")
