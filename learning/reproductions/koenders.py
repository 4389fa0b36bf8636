"""Koenders et al. 2025: decorrelated activity-based node perturbation on the noise of tunnel junctions."""

from charz.devices.tunnel_junction import published_junction
from charz.learning.reproductions.contract import (
    NO_TARGET,
    Experiment,
    NetworkExperiment,
    Paper,
    Scale,
    Target,
)
from charz.learning.schemes.backprop import Backprop
from charz.learning.schemes.perturbation import ActivityPerturbation, Danp
from charz.learning.training_loop import TrainOptions


def _experiments(scale: Scale) -> tuple[Experiment, ...]:
    full = scale == "full"
    name, sizes = ("mnist", (784, 500, 500, 500, 10)) if full else ("digits", (64, 100, 100, 10))
    rate, final, decorrelation = (1e-3, 0.01, 3e-6) if full else (5e-3, 0.05, 1e-4)
    options = TrainOptions(epochs=30, patience=30) if full else TrainOptions(epochs=60, patience=60)
    schemes = (
        ("DANP", Danp(sizes, rate, final, decorrelation), Target("≥ .964", "best third-party run")),
        ("ANP", ActivityPerturbation(sizes, rate, final), Target("below DANP", "paper")),
        (
            "backprop",
            Backprop(sizes, learning_rate=1e-3, final_rate=final),
            Target("within a point of DANP", "paper"),
        ),
    )
    junction = published_junction()
    return tuple(
        NetworkExperiment(
            f"{label}, {name} {'-'.join(map(str, sizes))}, {'under noise' if scheme.devices else 'software'}",
            target if full or label != "DANP" else NO_TARGET,
            name,
            "standardised",
            scheme,
            options,
            junction if scheme.devices else None,
        )
        for label, scheme, target in schemes
    )


def _differs(scale: Scale) -> tuple[str, ...]:
    common = (
        "The paper shows curves only, after 2500 epochs at a tenth of these rates; its claim is DANP near backprop.",
        "One published junction at every node, no spread between junctions.",
    )
    return (
        common
        if scale == "full"
        else (*common, "8×8 digits and two layers of 100 in place of MNIST and 3 × 500.")
    )


KOENDERS = Paper(
    "koenders2025", "Koenders et al., Phys. Rev. Applied 23, 054035 (2025)", _experiments, _differs
)
