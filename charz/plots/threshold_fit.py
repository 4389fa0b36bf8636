"""Fitted thresholds: their distribution with its band, their order in time, and how normal their scores are."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.special import ndtri

from charz.atomic import replacing
from charz.kinds import FLAG_LEFT, FLAG_RIGHT
from charz.plots.axis import scale_of

FEW_DEVICES = 4


def plot_thresholds(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw fitted thresholds to a PNG file.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.ramp.curves.threshold_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = threshold_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def threshold_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_thresholds` without writing it."""
    panels = [_draw_distribution, _draw_scores]
    if int(np.isfinite(curves["threshold"].to_numpy()).sum(1).max()) > 1:
        panels.insert(1, _draw_order)
    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, curves)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_distribution(axes: Axes, curves: xr.Dataset) -> None:
    """Share of ramps switched below each drive: counted steps over the band of replicated data."""
    scale = scale_of(curves["drive"], "threshold")
    drive = curves["drive"].to_numpy() / scale.factor
    for index in range(curves.sizes["shown"] if curves.sizes["device"] > 1 else 0):
        middle = curves["device_share"].to_numpy()[1, index]
        axes.plot(
            drive, middle, color="0.7", linewidth=0.6, label="median of each device" if index == 0 else None
        )
    low, middle, high = curves["share"].to_numpy()
    axes.fill_between(drive, low, high, color="C0", alpha=0.35, label="90 % of replicated data")
    axes.plot(drive, middle, color="C0", linewidth=1)
    if "population_share" in curves:
        low, _, high = curves["population_share"].to_numpy()
        axes.fill_between(drive, low, high, color="C1", alpha=0.2, label="90 % of new devices")
    threshold = curves["threshold"].to_numpy()
    ordered = np.sort(threshold[np.isfinite(threshold)]) / scale.factor
    share = np.arange(1, ordered.size + 1) / ordered.size
    axes.step(ordered, share, where="post", color="0.15", linewidth=1, label="measured")
    axes.set_xlabel(scale.label)
    axes.set_ylabel("share of ramps switched")
    axes.set_ylim(-0.03, 1.03)
    axes.legend(fontsize=7, loc="upper left")


def _draw_order(axes: Axes, curves: xr.Dataset) -> None:
    """Thresholds cycle by cycle, over the band of replicated ones."""
    scale = scale_of(curves["threshold"], "threshold")
    cycle = np.arange(1, curves.sizes["cycle"] + 1)
    several = curves.sizes["device"]
    shown = np.unique(np.linspace(0, several - 1, min(several, FEW_DEVICES)).astype(int))
    for place, index in enumerate(shown):
        threshold = curves["threshold"].to_numpy()[index] / scale.factor
        low, _, high = curves["replicated"].to_numpy()[:, index] / scale.factor
        flag, colour = curves["censored"].to_numpy()[index], f"C{place}"
        axes.fill_between(cycle, low, high, color=colour, alpha=0.25, linewidth=0)
        name = str(curves["device"].to_numpy()[index])
        axes.plot(cycle, threshold, ".", color=colour, markersize=3, label=f"device {name[:24]}")
        outside = (flag == FLAG_LEFT) | (flag == FLAG_RIGHT)
        axes.plot(cycle[outside], threshold[outside], "x", color=colour, markersize=4)
    axes.set_xlabel("cycle")
    axes.set_ylabel(scale.label)
    said = "" if shown.size == several else f", {shown.size} of {several} devices shown"
    axes.set_title(f"bands: 90 % of replicated thresholds; x: censored{said}", fontsize=8)
    axes.legend(fontsize=7)


def _draw_scores(axes: Axes, curves: xr.Dataset) -> None:
    """Normal scores against what a true law would give: a straight line."""
    score = curves["score"].to_numpy()
    ordered = np.sort(score[np.isfinite(score)])
    expected = ndtri((np.arange(1, ordered.size + 1) - 0.5) / ordered.size)
    ends = [expected[0], expected[-1]]
    axes.plot(ends, ends, color="C0", linewidth=1, label="law true")
    axes.plot(expected, ordered, ".", color="0.15", markersize=3, label="measured")
    axes.set_xlabel("normal score expected, dimensionless")
    axes.set_ylabel("normal score under the mean law, dimensionless")
    axes.legend(fontsize=7, loc="upper left")
