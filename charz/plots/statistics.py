"""Posterior predictive statistics: what the fitted model would give, and where the measured data lie."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from charz.atomic import replacing
from charz.plots.axis import columns_of

NUM_BINS = 40
LABEL_WIDTH = 46
# Share of the draws, at either end, that a histogram may leave out of the panel: one draw must not hide the rest.
TAIL = 0.002


class Statistic(Protocol):
    """One checked statistic: its value under each draw, of the measured and of replicated outcomes."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def meaning(self) -> str:
        """A few words for the axis."""

    @property
    def p_value(self) -> float:
        """Two-sided."""

    @property
    def passed(self) -> bool:
        """Whether the model gives such data."""

    @property
    def seen(self) -> NDArray[Any]:
        """Of the measured outcomes, (sample,)."""

    @property
    def drawn(self) -> NDArray[Any]:
        """Of replicated outcomes, (sample,)."""


def plot_statistics(statistics: Sequence[Statistic], path: Path | str, title: str = "") -> None:
    """Draw a panel for each statistic to a PNG file: replicated values as a histogram, the measured one as a line.

    Parameters
    ----------
    statistics : sequence of Statistic
        As `charz.fitting.check` gives them.
    path : path
        Replaced only when the new file is complete.
    title : str
    """
    figure = statistics_figure(statistics, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def statistics_figure(statistics: Sequence[Statistic], title: str = "") -> Figure:
    """Build the figure of `plot_statistics` without writing it."""
    columns = max(1, columns_of(len(statistics)))
    rows = max(1, -(-len(statistics) // columns))
    figure = Figure(figsize=(1.0 + 3.8 * columns, 0.6 + 2.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, statistic in zip(grid, statistics, strict=False):
        _draw(axes, statistic)
    for axes in grid[len(statistics) :]:
        axes.set_visible(False)
    if grid[0].get_legend_handles_labels()[0]:
        grid[0].legend(fontsize=7, loc="best")
    figure.suptitle(title, fontsize=10)
    return figure


def _draw(axes: Axes, statistic: Statistic) -> None:
    seen, drawn = (values[np.isfinite(values)] for values in (statistic.seen, statistic.drawn))
    colour = "C0" if statistic.passed else "C3"
    if drawn.size and seen.size:
        bins = _bins(seen, drawn)
        axes.hist(drawn, bins, color=colour, alpha=0.45, label="data that the model would give")
        if np.ptp(seen) > 0:
            axes.hist(seen, bins, histtype="step", color="0.2", label="measured data, under each draw")
        axes.axvline(float(seen.mean()), color="k", linewidth=1.4, label="measured data")
    verdict = "" if statistic.passed else ": FAILS"
    axes.set_title(f"{statistic.name}, p = {statistic.p_value:.2g}{verdict}", fontsize=9, color=colour)
    axes.set_xlabel(textwrap.fill(statistic.meaning, LABEL_WIDTH), fontsize=8)
    axes.set_ylabel("posterior draws", fontsize=8)
    axes.tick_params(labelsize=7)


def _bins(seen: NDArray[Any], drawn: NDArray[Any]) -> list[float]:
    """Edges over the replicated values and the measured one; of counts, whole numbers of them in a bin."""
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    low, high = float(min(low, seen.min())), float(max(high, seen.max()))
    step = (high - low) / NUM_BINS
    if np.all(drawn == np.round(drawn)) and np.all(seen == np.round(seen)):
        step = max(1.0, np.ceil(step))
        low -= 0.5
    elif step == 0:  # one value only, as where nothing ever happens
        step = max(abs(low), 1.0) / NUM_BINS
    return (low + step * np.arange(-1, np.ceil((high - low) / step) + 2)).tolist()
