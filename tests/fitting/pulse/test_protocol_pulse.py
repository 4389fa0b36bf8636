"""Every model of `pulse_switching` obeys the protocol of models, is calibrated, and is caught where it is wrong."""

from suite import suite

globals().update(suite("pulse_switching"))
