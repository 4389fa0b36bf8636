"""Calls of compiled programs: populations in parts of equal size; some calls ahead of the use of their results."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")

# Results that wait; a result is some megabytes.
CALLS_AHEAD = 3


def chunks(phis: np.ndarray, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Cut populations into equal parts; the last one is filled up with the last population."""
    for start in range(0, len(phis), size):
        part = phis[start : start + size]
        yield (
            slice(start, start + len(part)),
            np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)]),
        )


def ahead(results: Iterable[Result]) -> Iterator[Result]:
    """Ask for some results before they are used: a call of JAX returns at once, and computes while others are used."""
    waiting: deque[Result] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > CALLS_AHEAD:
            yield waiting.popleft()
    yield from waiting
