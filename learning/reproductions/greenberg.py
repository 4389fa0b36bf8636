"""Greenberg-Toledo et al. 2021: ternary weights on pairs of tunnel junctions."""

from typing import Any

from charz.devices.junction_pair import example_junction
from charz.learning.architecture import Architecture, dense, parse_architecture
from charz.learning.inference import Inference
from charz.learning.reproductions.contract import Experiment, NetworkExperiment, Paper, Scale, Target
from charz.learning.schemes.backprop import Backprop
from charz.learning.schemes.contract import Scheme
from charz.learning.schemes.junction_pairs import GxnorMtj
from charz.learning.schemes.quantized import Gxnor
from charz.learning.training_loop import TrainOptions

SOFTWARE, IDEAL, INVERSE, LINEAR = (
    "full precision", "ideal transitions", "junctions, inverse coding", "junctions, linear coding"
)  # fmt: skip
REFERENCE = "reference runs"
QUICK = {SOFTWARE: ".978, .981", IDEAL: ".953, .958", INVERSE: ".947, .939", LINEAR: ".614, .628"}
FULL = {SOFTWARE: "", IDEAL: "gap below a point", INVERSE: ".9861", LINEAR: ""}
# Full width of the linear code in the reference runs: five relaxation times.
FIVE_TIMES = 5 * 1.81e-9


def _scheme(kind: str, network: Architecture, **rates: Any) -> Scheme:
    if kind == SOFTWARE:
        return Backprop(network, activation="hard-tanh", batch_norm=True, loss="squared-hinge", **rates)
    if kind == IDEAL:
        return Gxnor(network, **rates)
    if kind == INVERSE:
        return GxnorMtj(network, **rates)
    return GxnorMtj(network, coding="linear", full_width=FIVE_TIMES, **rates)


def _experiments(scale: Scale) -> tuple[Experiment, ...]:
    full = scale == "full"
    if full:
        network = parse_architecture("32C5-MP2-64C5-MP2-512-10", (28, 28, 1))
        name, options = "mnist", TrainOptions(epochs=25, batch_size=500, patience=25)
        rates, software = (
            {"learning_rate": 0.1, "final_rate": 1e-3},
            {"learning_rate": 2e-3, "final_rate": 0.01},
        )
    else:
        network = dense(64, 128, 64, 10)
        name, options = "digits", TrainOptions(epochs=60, batch_size=100, patience=60)
        rates = software = {"learning_rate": 0.02, "final_rate": 0.01}
    return tuple(
        NetworkExperiment(
            f"{name} {network.num_inputs}-{network}, {kind}",
            Target(text, "paper" if full else REFERENCE),
            name,
            "signed",
            _scheme(kind, network, **(software if kind == SOFTWARE else rates)),
            options,
            example_junction() if kind in (INVERSE, LINEAR) else None,
            Inference("deterministic"),
        )
        for kind, text in (FULL if full else QUICK).items()
    )


def _differs(scale: Scale) -> tuple[str, ...]:
    common = (
        "The paper's junctions, schedule and pulse coding are not known here; the example junction's constants are"
        " assumed, all junctions alike.",
    )
    if scale == "full":
        return (
            *common,
            "25 epochs of batches of 500, not 4000 epochs of 10,000; SVHN and CIFAR-10 are left out.",
        )
    return (*common, "8×8 digits and 64-128-64-10 in place of MNIST and its convolutional network.")


GREENBERG = Paper(
    "greenberg2021",
    "Greenberg-Toledo et al., Semicond. Sci. Technol. 36, 114003 (2021)",
    _experiments,
    _differs,
)
