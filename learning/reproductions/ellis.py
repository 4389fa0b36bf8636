"""Ellis et al. 2023: the mean/variance rule on stochastic domain-wall wires."""

from charz.devices.domain_wall import mean_wire
from charz.learning.reproductions.contract import (
    NO_TARGET,
    Experiment,
    NetworkExperiment,
    Paper,
    Scale,
    Target,
)
from charz.learning.schemes.mean_variance import MEAN_FIELD, MeanVariance
from charz.learning.training_loop import TrainOptions

# Test accuracies of the authors' configuration on the 10,000 images of MNIST's test file (notes, section 8).
REFERENCE = {1: ".833 ± .006", 16: ".866 ± .005", 64: ".874 ± .004", None: ".875 ± .005"}


def _experiments(scale: Scale) -> tuple[Experiment, ...]:
    full = scale == "full"
    name, preprocess, inputs = ("mnist", "binary-14x14", 196) if full else ("digits", "binary", 64)
    options = TrainOptions() if full else TrainOptions(epochs=40, patience=10)
    return tuple(
        NetworkExperiment(
            f"{name} {inputs}-10, N = {MEAN_FIELD if num_reads is None else num_reads}, single-shot",
            Target(text, "reference run, a sixth of the images") if full else NO_TARGET,
            name,
            preprocess,
            MeanVariance((inputs, 10), num_reads=num_reads),
            options,
            mean_wire(),
        )
        for num_reads, text in REFERENCE.items()
    )


def _differs(scale: Scale) -> tuple[str, ...]:
    common = (
        "The paper gives its accuracies in figures only; the order N = 1 < 16 < 64 ≈ inf is its claim.",
        "All wires are the published mean wire: the spread from wire to wire is not published.",
    )
    if scale == "full":
        return (
            *common,
            "Trained on 48,000 images, not on the paper's share of the test file: a few points more.",
        )
    return (*common, "8×8 digits in place of 14×14 MNIST.")


ELLIS = Paper("ellis2023", "Ellis et al., Neuromorph. Comput. Eng. 3, 021001 (2023)", _experiments, _differs)
