"""Thresholds of ramps: distributions with censoring, mixtures, thermal activation, drift and serial correlation."""

from charz.fitting.contract import Family
from charz.fitting.ramp.checks import DISCREPANCIES, situation
from charz.fitting.ramp.curves import threshold_curves
from charz.fitting.ramp.information import MIN_DEVICES_IN_POPULATION, require_information
from charz.fitting.ramp.models import MODELS
from charz.fitting.ramp.observations import observe
from charz.plots.threshold_fit import plot_thresholds

FAMILY = Family(
    experiment="ramp_switching",
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=threshold_curves,
    plot=plot_thresholds,
    min_devices=MIN_DEVICES_IN_POPULATION,
)
