"""One iteration of descent on the control voltages of a gate: step, judge, keep the best, leave the amplifier's limit.

Pure functions of the rule, so that a compiled loop over a simulated device and a plain loop around an instrument take
the same steps from the same keys.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from charz.learning.gate_reading import GateCriterion, GateReading
from charz.learning.rule import Batch, RuleState, UpdateRule


class DescentState(NamedTuple):
    """Where a descent is, and the best of what it has met.

    ``best`` (control,) in V are the controls whose perturbed record had the largest margin, ``best_margin``;
    ``redraws`` counts records at the amplifier's limit, ``reads`` samples.
    """

    iteration: Int[Array, ""]
    rule: RuleState
    best: Float[Array, " control"]
    best_margin: Float[Array, ""]
    redraws: Float[Array, ""]
    reads: Float[Array, ""]


def begin(key: PRNGKeyArray, rule: UpdateRule) -> DescentState:
    """Start a descent: the rule's start, and nothing met yet. Measures nothing."""
    state = rule.init(jax.random.fold_in(key, 0))
    zero = jnp.zeros(())
    return DescentState(jnp.asarray(0), state, state.weights, jnp.asarray(-jnp.inf), zero, zero)


def goes_on(state: DescentState, iterations: int, stop_margin: float) -> Array:
    """Whether there are iterations left, and no perturbed record has exceeded the criterion by `stop_margin`."""
    return (state.iteration < iterations) & (state.best_margin < stop_margin)


def advance(
    key: PRNGKeyArray,
    rule: UpdateRule,
    start: Callable[[PRNGKeyArray], Array],
    batch: Batch,
    criterion: GateCriterion,
    state: DescentState,
) -> DescentState:
    """Take one step: one record under tones.

    Parameters
    ----------
    key : PRNG key
        Of this descent; iterations derive theirs from it.
    rule : UpdateRule
        Joined from `homodyne` or `material_oracle`.
    start : callable
        ``start(key) -> theta``, controls drawn anew, in V.
    batch : Batch
        Data voltages (case, data) in V, and targets.
    criterion : GateCriterion
    state : DescentState
    """
    key_step, key_start = jax.random.split(jax.random.fold_in(key, state.iteration + 2))
    before = state.rule.weights
    after, info = rule.step(key_step, state.rule, batch)
    clipped = info["clipped"] > 0
    reading = GateReading(info["correlation"], info["separation"], info["noise"], jnp.zeros(()))
    margin = jnp.where(clipped, -jnp.inf, criterion.margin(reading))
    better = margin > state.best_margin
    # At the amplifier's limit every derivative is 0: nothing would ever move the controls away from there.
    after = after._replace(weights=jnp.where(clipped, start(key_start), after.weights))
    return DescentState(
        state.iteration + 1,
        after,
        jnp.where(better, before, state.best),
        jnp.maximum(margin, state.best_margin),
        state.redraws + clipped,
        state.reads + info["reads"],
    )


def key_without_tones(key: PRNGKeyArray) -> PRNGKeyArray:
    """Key of the last measurement of a descent, that of its best controls without tones."""
    return jax.random.fold_in(key, 1)
