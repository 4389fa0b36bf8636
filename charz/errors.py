"""Errors of charz: one line that names what is wrong, where, and what would mend it."""


class CharzError(ValueError):
    """Base of every error that bad input can cause; the command line prints it as one line, exit code 2."""


class ReadError(CharzError):
    """A file cannot be read as the user described it (names file, row and column)."""


class UnitError(CharzError):
    """A unit is missing, unknown, or of the wrong dimension for its variable."""


class SchemaError(CharzError):
    """A dataset does not fulfil the contract of its experiment kind."""


class ExpressionError(CharzError):
    """A ``--where`` or ``--switched`` expression cannot be parsed or names an unknown column."""


class FitError(CharzError):
    """A model cannot be fitted to this dataset (wrong kind, no information, unknown option)."""


class TrainError(CharzError):
    """A network or training option is not valid for the scheme or the data."""


class HardwareError(CharzError):
    """An instrument cannot do, or did not do, what was asked (names resource, command, value and range)."""
