"""Switching at single pulses: counts of trials that switched, as a function of amplitude, width and direction."""

from charz.fitting.contract import Family
from charz.fitting.pulse.common_width import with_common_width
from charz.fitting.pulse.curves import switching_curves
from charz.fitting.pulse.discrepancies import DISCREPANCIES, situation
from charz.fitting.pulse.information import require_information
from charz.fitting.pulse.models import MODELS
from charz.fitting.pulse.observations import observe
from charz.plots.switching import plot_switching

FAMILY = Family(
    experiment="pulse_switching",
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=switching_curves,
    plot=plot_switching,
    at_settings=with_common_width,
)
