"""Whether numbers are finite, in one pass without a copy."""

import numpy as np
from numpy.typing import NDArray


def all_finite(values: NDArray[np.generic]) -> bool:
    """Whether every value is finite; False also where their sum overflows, so look closer then."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))
