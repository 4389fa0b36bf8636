"""Versions of everything that computes a network: another one may give other bits."""

from importlib import metadata

PACKAGES = ("charz", "jax", "jaxlib", "numpy")


def versions() -> tuple[str, ...]:
    """Name and version of each package, for instance ``"jax 0.9.0"``."""
    return tuple(f"{name} {metadata.version(name)}" for name in PACKAGES)
