"""How a trained network is asked: once, as noisy as its hardware; several times, by vote; or without its noise."""

from dataclasses import dataclass
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from charz.errors import TrainError
from charz.learning.rule import RuleState, UpdateRule

Mode = Literal["single-shot", "votes", "deterministic"]


@dataclass(frozen=True)
class Inference:
    """An inference mode; it belongs to every accuracy that is reported.

    Parameters
    ----------
    mode : {"single-shot", "votes", "deterministic"}
        One pass with the hardware's randomness; the majority of `votes` such passes; or one pass with the noise
        replaced by its mean, which real hardware can only approach.
    votes : int
        Passes M of the mode "votes"; the others ignore it.

    Raises
    ------
    TrainError
        For an unknown mode, or fewer than one vote.
    """

    mode: Mode = "single-shot"
    votes: int = 1

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise TrainError(
                f"inference {self.mode!r} is not known; choose one of {', '.join(get_args(Mode))}"
            )
        if self.votes < 1:
            raise TrainError(f"votes is {self.votes}; a majority needs at least one pass")

    def __str__(self) -> str:
        return f"{self.votes} votes" if self.mode == "votes" else self.mode


SINGLE_SHOT = Inference()


def scores(
    inference: Inference, rule: UpdateRule, key: PRNGKeyArray, state: RuleState, x: Array
) -> Float[Array, "batch classes"]:
    """What decides a sample's class (its argmax): logits, or votes.

    Votes count the winners of M passes; a tie goes to the class with the larger mean softmax, which is below one
    vote and so never outweighs it.

    Raises
    ------
    TrainError
        For deterministic inference of a scheme that has none.
    """
    if inference.mode == "deterministic":
        if rule.deterministic is None:
            raise TrainError(
                "inference 'deterministic' is not possible for this scheme: its hardware cannot be read without noise;"
                " use 'votes'"
            )
        return rule.deterministic(state, x)
    if inference.mode == "single-shot":
        return rule.predict(key, state, x)

    def one_pass(total: Array, index: Array) -> tuple[Array, None]:
        logits = rule.predict(jax.random.fold_in(key, index), state, x)
        winner = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1])
        return total + winner + jax.nn.softmax(logits) / inference.votes, None

    zero = jnp.zeros(jax.eval_shape(rule.predict, key, state, x).shape)
    return jax.lax.scan(one_pass, zero, jnp.arange(inference.votes))[0]
