"""Accuracy and mean loss of trained networks, in portions that bound the memory."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from charz.learning.inference import SINGLE_SHOT, Inference, scores
from charz.learning.rule import Batch, RuleState, UpdateRule
from charz.learning.schemes import Scheme

# Samples evaluated at once: bounds the memory of exactly counted reads to portion × synapses floats a run.
EVALUATION_PORTION = 128


def loss_and_accuracy(
    key: PRNGKeyArray, rule: UpdateRule, state: RuleState, data: Batch, inference: Inference = SINGLE_SHOT
) -> tuple[Array, Array]:
    """Mean loss and accuracy over `data`, with fresh reads, in portions of `EVALUATION_PORTION` samples."""
    num_samples = data.x.shape[0]
    num_portions = -(-num_samples // EVALUATION_PORTION)
    rows = jnp.arange(num_portions * EVALUATION_PORTION).reshape(num_portions, EVALUATION_PORTION)

    def portion(carry: tuple[Array, Array], step: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        index, row = step
        counts = row < num_samples
        row = jnp.minimum(row, num_samples - 1)
        logits = scores(inference, rule, jax.random.fold_in(key, index), state, data.x[row])
        loss = rule.loss(logits, data.y[row])
        right = logits.argmax(-1) == data.y[row]
        total_loss, total_right = carry
        return (total_loss + (loss * counts).sum(), total_right + (right & counts).sum()), None

    zero = (jnp.zeros(()), jnp.zeros((), int))
    (loss, right), _ = jax.lax.scan(portion, zero, (jnp.arange(num_portions), rows))
    return loss / num_samples, right / num_samples


@partial(jax.jit, static_argnums=(1, 5, 6))
def evaluate(
    key: PRNGKeyArray,
    scheme: Scheme,
    hardware: PyTree,
    state: RuleState,
    data: Batch,
    num_repeats: int,
    inference: Inference = SINGLE_SHOT,
) -> Float[Array, "run repeat"]:
    """Accuracy on `data` of every run, read `num_repeats` times with fresh randomness (cycle-to-cycle).

    Parameters
    ----------
    key : PRNG keys, shape (run,)
        One a run.
    scheme, hardware, state
        As trained, or the same state on other hardware; leaves lead with ``run``.
    data : Batch
        Test data.
    num_repeats : int
        Independent readings of the whole test set.
    inference : Inference
        How the networks are asked; deterministic inference gives the same number in every repeat.
    """

    def one(key: PRNGKeyArray, devices: PyTree, state: RuleState) -> Array:
        rule = scheme.rule(devices)
        keys = jax.random.split(key, num_repeats)
        return jax.lax.map(lambda key: loss_and_accuracy(key, rule, state, data, inference)[1], keys)

    return jax.vmap(one)(key, hardware, state)
