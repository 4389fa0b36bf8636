"""Bayesian surrogates of material networks: `transfer` records, with a linear baseline."""

from charz.fitting.contract import Family
from charz.fitting.transfer.checks import DISCREPANCIES, situation
from charz.fitting.transfer.cross_validation import HeldOut as HeldOut
from charz.fitting.transfer.cross_validation import blocked_cross_validation as blocked_cross_validation
from charz.fitting.transfer.curves import transfer_curves
from charz.fitting.transfer.identification import identification as identification
from charz.fitting.transfer.infer import fit_transfer as fit_transfer
from charz.fitting.transfer.infer import prior_outcomes
from charz.fitting.transfer.models import MODELS
from charz.fitting.transfer.prediction import devices_from
from charz.fitting.transfer.record import EXPERIMENT, observe, require_information
from charz.plots.transfer_fit import plot_transfer

FAMILY = Family(
    experiment=EXPERIMENT,
    models=MODELS,
    observe=observe,
    require_information=require_information,
    situation=situation,
    discrepancies=DISCREPANCIES,
    curves=transfer_curves,
    plot=plot_transfer,
    infer=fit_transfer,
    devices_from=devices_from,
    prior_outcomes=prior_outcomes,
)
