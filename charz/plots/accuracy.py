"""Accuracy against the number of reads, with predictive intervals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing


def plot_accuracy(predictions: Mapping[str, xr.Dataset], path: Path | str, title: str = "") -> None:
    """Draw every network's accuracy, the mean, and the 90 % interval, against N.

    Parameters
    ----------
    predictions : mapping
        Results of `predict_accuracy` by number of reads N, in the order of the axis.
    path : path
        PNG file; replaced only when complete.
    title : str
        What was trained on what.
    """
    figure = accuracy_figure(predictions, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def accuracy_figure(
    predictions: Mapping[str, xr.Dataset],
    title: str = "",
    xlabel: str = "measurements per synapse, N",
) -> Figure:
    """Build the figure of `plot_accuracy` without writing it; `xlabel` says what the keys are."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for position, prediction in enumerate(predictions.values()):
        networks = 100 * prediction["accuracy"].mean("repeat").values.ravel()
        offsets = position + np.linspace(-0.12, 0.12, networks.size)
        label = "one network, mean of its readings" if position == 0 else None
        axes.plot(offsets, networks, ".", color="0.7", markersize=4, zorder=1, label=label)
        low, mean, high = (100 * prediction.attrs[f"accuracy_{name}"] for name in ("q05", "mean", "q95"))
        axes.errorbar(
            position,
            mean,
            yerr=[[mean - low], [high - mean]],
            fmt="o",
            color="C0",
            capsize=5,
            zorder=2,
            label="mean and 90 % predictive interval" if position == 0 else None,
        )
    axes.set_xticks(range(len(predictions)), list(predictions))
    axes.set_xlim(-0.5, len(predictions) - 0.5)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(title, fontsize=10)
    # Below the axes: wherever the accuracies lie, it covers none of them.
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    axes.grid(alpha=0.3)
    return figure
