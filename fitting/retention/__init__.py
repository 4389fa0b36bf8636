"""Retention: how an untouched state drifts, told apart from noise that has a memory."""

from charz.fitting.contract import Family
from charz.fitting.retention.curves import retention_curves
from charz.fitting.retention.discrepancies import DISCREPANCIES, situation
from charz.fitting.retention.information import MIN_DEVICES_IN_POPULATION, require_information
from charz.fitting.retention.models import MODELS
from charz.fitting.retention.records import observe
from charz.plots.retention_fit import plot_retention

FAMILY = Family(
    experiment="retention",
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=retention_curves,
    plot=plot_retention,
    min_devices=MIN_DEVICES_IN_POPULATION,
)
