"""Accuracy against the energy of one inference, both with their intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from charz.atomic import replacing


class EnergyPoint(NamedTuple):
    """One network: energy of an inference in J and accuracy as a fraction, each (low, mean, high)."""

    name: str
    scheme: str
    energy: tuple[float, float, float]
    accuracy: tuple[float, float, float]


def plot_energy(points: Sequence[EnergyPoint], path: Path | str, title: str = "") -> None:
    """Draw accuracy against energy to a PNG file.

    Parameters
    ----------
    points : sequence of EnergyPoint
        Those of one scheme get one colour and are joined in the order of their energy.
    path : path
        Replaced only when complete.
    title : str
    """
    figure = energy_figure(points, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def energy_figure(points: Sequence[EnergyPoint], title: str = "") -> Figure:
    """Build the figure of `plot_energy` without writing it."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    schemes = list(dict.fromkeys(point.scheme for point in points))
    for index, scheme in enumerate(schemes):
        chosen = sorted((p for p in points if p.scheme == scheme), key=lambda point: point.energy[1])
        energies, accuracies = (
            np.array([getattr(point, name) for point in chosen]).T for name in ("energy", "accuracy")
        )
        accuracies = 100 * accuracies
        axes.errorbar(
            energies[1], accuracies[1],
            xerr=np.abs(energies[[0, 2]] - energies[1]), yerr=np.abs(accuracies[[0, 2]] - accuracies[1]),
            fmt="o-", color=f"C{index}", capsize=4, linewidth=1, label=scheme,
        )  # fmt: skip
        for x, y, point in zip(energies[1], accuracies[1], chosen, strict=True):
            axes.annotate(
                point.name, (x, y), xytext=(6, -12), textcoords="offset points", fontsize=8, color="0.3"
            )
    axes.set_xscale("log")
    # Over two decades or less, powers of ten alone would leave the axis with one number or two.
    axes.xaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(2, 0.5)))
    axes.tick_params(axis="x", which="minor", labelsize=7)
    axes.margins(x=0.15)
    axes.set_xlabel("energy of one inference (J)")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(title, fontsize=10)
    figure.legend(
        title="scheme; bars: 90 % intervals",
        fontsize=8,
        title_fontsize=8,
        loc="outside lower center",
        ncols=4,
    )
    axes.grid(alpha=0.3, which="both")
    return figure
