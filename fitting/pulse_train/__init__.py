"""Conductance pulse trains: the law of a step, powers of the pulse number, alternating states."""

from charz.fitting.contract import Family
from charz.fitting.pulse_train.curves import train_curves
from charz.fitting.pulse_train.discrepancies import DISCREPANCIES
from charz.fitting.pulse_train.information import require_information
from charz.fitting.pulse_train.models import MODELS
from charz.fitting.pulse_train.observations import observe
from charz.fitting.pulse_train.residuals import situation
from charz.plots.pulse_train_fit import plot_trains

FAMILY = Family(
    experiment="pulse_train",
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=train_curves,
    plot=plot_trains,
)
