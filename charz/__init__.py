"""charz: from measured switching data of stochastic nanodevices to the accuracy of networks built on them.

Importing `charz` is cheap: JAX, xarray and NumPyro are loaded only when a function that needs them is used.
"""

import importlib

__version__ = "0.1.0"

_LAZY = {
    "convert": "charz.conversion",
    "read": "charz.readers",
    "load": "charz.store",
    "save": "charz.store",
    "validate": "charz.schema",
    "CharzError": "charz.errors",
}

__all__ = ["CharzError", "__version__", "convert", "load", "read", "save", "validate"]


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'charz' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names, for completion."""
    return __all__
