"""Every model of `retention` obeys the protocol of models, is calibrated, and is caught where it is wrong."""

from suite import suite

globals().update(suite("retention"))
