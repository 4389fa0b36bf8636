"""Every model of `ramp_switching` obeys the protocol of models, is calibrated, and is caught where it is wrong."""

from suite import suite

globals().update(suite("ramp_switching"))
