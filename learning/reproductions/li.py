"""Li et al. 2023: binary stochastic learning."""

from charz.learning.inference import Inference
from charz.learning.reproductions.contract import Experiment, NetworkExperiment, Paper, Scale, Target
from charz.learning.schemes.backprop import Backprop
from charz.learning.schemes.binary_stochastic import BinaryStochastic
from charz.learning.schemes.contract import Scheme
from charz.learning.training_loop import TrainOptions

TEN_VOTES, QUIET = Inference("votes", 10), Inference("deterministic")


def _experiments(scale: Scale) -> tuple[Experiment, ...]:
    full = scale == "full"
    name, sizes = ("mnist", (784, 300, 10)) if full else ("digits", (64, 300, 10))
    epochs = 100 if full else 40
    online = TrainOptions(epochs=epochs, batch_size=1, patience=epochs)
    step = 0.01 if full else 0.02
    stochastic = BinaryStochastic(sizes, learning_rate=step, carry_digits=1 if full else 2)
    ours = f"binary stochastic, fixed step {step:g}"
    batches = TrainOptions(epochs=40, batch_size=64 if full else 16, patience=10)
    software = Backprop(sizes, learning_rate=2e-3, activation="sigmoid", dropout=0.2)
    rows: tuple[tuple[str, Scheme, Inference, str], ...] = (
        (ours, stochastic, QUIET, "" if full else ".981"),
        (ours, stochastic, TEN_VOTES, "" if full else ".953"),
        ("software, dropout .2", software, QUIET, "" if full else ".978 to .983"),
    )
    claim = Target("above software", "paper")
    return tuple(
        NetworkExperiment(
            f"{name} {'-'.join(map(str, sizes))}, {label}, {inference}",
            Target(text, "reference runs")
            if text
            else (claim if scheme.name != "backprop" else Target("", "")),
            name,
            "gray",
            scheme,
            online if scheme.name != "backprop" else batches,
            None,
            inference,
        )
        for label, scheme, inference, text in rows
    )


def _differs(scale: Scale) -> tuple[str, ...]:
    common = (
        "Only the abstract's three statements are the paper's; sizes, step and inference are ours.",
        "Ideal steps, clipped at ±8; devices: charz train --scheme binary-stochastic --device.",
    )
    return common if scale == "full" else (*common, "8×8 digits in place of MNIST.")


LI = Paper("li2023", "Li et al., Adv. Intell. Syst. (2023), arXiv:2304.12866", _experiments, _differs)
