"""Inputs of a transfer record: whether the electrodes were varied independently."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.datachecks.finding import Finding
from charz.datachecks.moments import spans

# Eigenvalues of the correlation matrix are variances: 1e-10 is a spread of 1e-5 of that of one electrode.
NOTHING = 1e-10
ILL = 1e3


def check_inputs(dataset: xr.Dataset) -> list[Finding]:
    r"""Find inputs that are linear combinations of each other.

    The rank is that of the design matrix [1, V₁ … V_k], from the eigenvalues of the correlation matrix of
    the electrodes; an electrode that never changes counts as a copy of the intercept. Nearly collinear inputs
    (condition number of the standardised matrix above 1000) are reported too: coefficients then carry the
    noise a thousandfold.
    """
    voltage = dataset["voltage"].values
    electrodes = voltage.shape[1]
    correlation, varies = _correlation(voltage)
    eigenvalues = np.linalg.eigvalsh(correlation)
    rank = 1 + int((eigenvalues > NOTHING * max(eigenvalues.max(initial=0.0), 1.0)).sum())
    if rank < electrodes + 1:
        constant = int(electrodes - varies.sum())
        still = f", {constant} of them never changed" if constant else ""
        seen = f"rank {rank} of {electrodes + 1} (intercept and {electrodes} electrodes{still})"
        meaning = "single coefficients are not identified, only the prediction inside the measured inputs"
        return [Finding("inputs", "voltage", seen, meaning, "warning")]
    condition = float(np.sqrt(eigenvalues.max() / eigenvalues.min()))
    if condition <= ILL:
        return []
    seen = f"condition number {condition:.3g} of the {electrodes} inputs"
    meaning = "nearly collinear: single coefficients carry the noise many times over"
    return [Finding("inputs", "voltage", seen, meaning, "note")]


def _correlation(voltage: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Correlation matrix of the electrodes that vary (zero for the others), over complete rows."""
    complete = np.isfinite(voltage).all(axis=1)
    count = max(int(complete.sum()), 1)
    mean = np.where(complete[:, None], voltage, 0.0).sum(axis=0) / count
    products = np.zeros((voltage.shape[1],) * 2)
    for span in spans(voltage.T.shape):
        part = np.where(complete[span, None], voltage[span] - mean, 0.0)
        products += part.T @ part
    spread = np.sqrt(np.diag(products) / count)
    varies = spread > 1e-9 * np.maximum(np.abs(mean), np.finfo(float).tiny)
    scale = np.where(varies, spread, 1.0) * np.sqrt(count)
    return products / np.outer(scale, scale) * np.outer(varies, varies), varies
