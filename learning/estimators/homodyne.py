"""Homodyne gradients: all derivatives of a black box's current at once, from its response to small tones."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from charz.devices.material_record import Measure
from charz.learning.demodulation import Demodulation, derivatives
from charz.learning.gate_reading import GateReading, read_gate
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.set_losses import SetLoss, cor_sigmoid
from charz.learning.waveform import Record, Waveform, Wiring

# Current that counts as one unit of a logit: a millionth of an ampere would make every prediction a coin's toss.
LOGIT_UNIT = 1e-9


class HomodyneState(NamedTuple):
    """Current in A that separated the two targets in the last measurement; `predict` compares with it."""

    threshold: Float[Array, ""]


class RecordGradient(NamedTuple):
    """What one perturbed record says.

    ``direction`` (control,) in 1/V, the gradient of ``loss``; ``current`` (case,) in A, the means;
    ``slopes`` (case, control) in A/V; ``reading`` the gate's numbers; ``clipped`` whether any sample within a window
    reached the amplifier's limit.
    """

    direction: Float[Array, " control"]
    loss: Float[Array, ""]
    current: Float[Array, " case"]
    slopes: Float[Array, "case control"]
    reading: GateReading
    clipped: Bool[Array, ""]


def gradient_from_record(
    record: Record,
    target: Array,
    waveform: Waveform,
    loss: SetLoss,
    *,
    clip: float | Array = math.inf,
    delay: float = 0.0,
    demodulation: Demodulation = "in-phase",
) -> RecordGradient:
    r"""Gradient of a set-level loss from one perturbed record, simulated or measured.

    .. math:: \frac{\partial E}{\partial V_k} = \sum_c \frac{\partial E}{\partial \bar I_c}\,g_{ck}

    with case means :math:`\bar I_c` (B4, B5): the sum over the samples of a case, as in (B4) for a loss of the
    sampled currents, is the derivative by the case's mean. The public code takes another mean of it, and so has
    gradients smaller by the number of samples; step sizes do not transfer.

    Parameters
    ----------
    record : array (time,)
        Current in A, one for each sample of the waveform's voltage.
    target : array (case,)
        0 or 1.
    waveform : Waveform
    loss : SetLoss
    clip : float
        Limit of the amplifier, in A.
    delay : float
        Of the set-up, in s.
    demodulation : {"in-phase", "signed-magnitude"}

    Returns
    -------
    RecordGradient

    Raises
    ------
    TrainError
        When the record has another length than the waveform.
    """
    windows = waveform.windows(record, np.shape(target)[0])
    slopes = derivatives(windows, waveform.tones, delay, demodulation)
    current, noise = window_means(windows)
    value, by_current = loss(current, target)
    # Rounding of a clipped record to single precision may end one unit below the limit.
    clipped = (jnp.abs(jnp.asarray(windows)) >= clip * (1 - 1e-6)).any()
    reading = read_gate(current, noise, target)
    return RecordGradient(by_current @ slopes, value, current, jnp.asarray(slopes), reading, clipped)


def window_means(windows: Record) -> tuple[Array, Array]:
    """Mean current of each case (case,), and the standard deviation of a sample within its case (), in A."""
    current = windows.mean(-1)
    degrees = windows.shape[-2] * (windows.shape[-1] - 1)
    noise = (((windows - current[..., None]) ** 2).sum((-1, -2)) / degrees) ** 0.5
    return jnp.asarray(current), jnp.asarray(noise)


def homodyne(
    measure: Measure,
    waveform: Waveform,
    wiring: Wiring,
    loss: SetLoss | None = None,
    *,
    clip: float | Array = math.inf,
    delay: float = 0.0,
    demodulation: Demodulation = "in-phase",
    current: Callable[[Array], Array] | None = None,
) -> GradientEstimator:
    """Gradient descent in materia (Boon et al., arXiv:2105.11233): from measured records alone.

    Theta holds the control voltages (control,), in V; ``batch.x`` the data voltages (case, data), in V; ``batch.y``
    the targets (case,), 0 or 1. One estimate is one record of all cases under tones; nothing of the device is
    differentiated.

    Parameters
    ----------
    measure : callable
        ``measure(key, voltage (time, electrode)) -> current (time,)``, in V and A.
    waveform : Waveform
        Tones, one a control in the order of `wiring`, and timing.
    wiring : Wiring
    loss : SetLoss, optional
        `cor_sigmoid` by default.
    clip : float
        Limit of the amplifier, in A: at it all derivatives are 0 and ``info["clipped"]`` says so.
    delay : float
        Of the set-up, in s (`calibrate_delay`).
    demodulation : {"in-phase", "signed-magnitude"}
    current : callable, optional
        Noise-free current (case,) of voltages (case, electrode), where the device is a simulation: for
        ``deterministic``.

    Returns
    -------
    GradientEstimator
        ``info`` has ``loss``, ``reads`` (samples recorded), ``correlation``, ``separation`` and ``noise`` (A),
        ``clipped`` (1 or 0). Logits (case, 2) are the distance of a case's mean current from the last threshold, in
        nA, with minus and plus.
    """
    chosen = loss or cor_sigmoid()

    def record(key: PRNGKeyArray, theta: Array, x: Array, perturbed: bool) -> Array:
        return measure(key, waveform.voltage(wiring.levels(x, theta), wiring.controls, perturbed))

    def init(key: PRNGKeyArray, theta: Array) -> HomodyneState:
        return HomodyneState(jnp.zeros((), theta.dtype))

    def estimate(
        key: PRNGKeyArray, theta: Array, state: HomodyneState, batch: Batch
    ) -> tuple[Array, HomodyneState, dict[str, Array]]:
        found = gradient_from_record(
            record(key, theta, batch.x, True), batch.y, waveform, chosen,
            clip=clip, delay=delay, demodulation=demodulation,
        )  # fmt: skip
        reads = jnp.asarray(float(waveform.num_samples(batch.x.shape[0])))
        info = {
            "loss": found.loss,
            "reads": reads,
            "correlation": found.reading.correlation,
            "separation": found.reading.separation,
            "noise": found.reading.noise,
            "clipped": found.clipped.astype(found.loss.dtype),
        }
        return found.direction, HomodyneState(found.reading.threshold), info

    def predict(key: PRNGKeyArray, theta: Array, state: HomodyneState, x: Array) -> Array:
        windows = waveform.windows(record(key, theta, x, False), x.shape[0])
        return current_logits(windows.mean(-1), state)

    def deterministic(theta: Array, state: HomodyneState, x: Array) -> Array:
        assert current is not None
        return current_logits(current(wiring.levels(x, theta)), state)

    return GradientEstimator(init, estimate, predict, deterministic if current is not None else None)


def current_logits(current: Float[Array, " case"], state: HomodyneState) -> Float[Array, "case 2"]:
    """Logits (case, 2) of currents in A: minus and plus the distance from the threshold, in nA."""
    distance = (current - state.threshold) / LOGIT_UNIT
    return jnp.stack([-distance, distance], axis=-1)
