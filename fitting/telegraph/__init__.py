"""Telegraph noise: devices that jump between levels by themselves."""

from charz.fitting.contract import Family
from charz.fitting.telegraph.curves import telegraph_curves
from charz.fitting.telegraph.discrepancies import DISCREPANCIES, situation
from charz.fitting.telegraph.information import MIN_DEVICES_IN_POPULATION, require_information
from charz.fitting.telegraph.long_records import beginning
from charz.fitting.telegraph.models import MODELS
from charz.fitting.telegraph.records import leading, observe
from charz.plots.telegraph_fit import plot_telegraph

FAMILY = Family(
    experiment="telegraph",
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=telegraph_curves,
    plot=plot_telegraph,
    min_devices=MIN_DEVICES_IN_POPULATION,
    for_checks=leading,
    checked=beginning,
)
