"""Many networks in equal chunks, as many chunks at a time as there are CPUs."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

# Networks trained together. From about eight on, batching saves nothing more on a CPU; beyond that the runs of
# larger networks fall out of its cache.
CHUNK_SIZE = 8


def in_chunks(
    one_chunk: Callable[[Int[Array, "chunk"]], Array],
    total: int,
    chunk_size: int = CHUNK_SIZE,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Run ``one_chunk(rows)`` over ``range(total)``, the last chunk padded so that one program serves all.

    XLA runs a small network's loop on one core; chunks on threads use the others. Each chunk's result depends
    on its rows only, so the order of completion does not matter. Memory: one chunk a CPU.

    Parameters
    ----------
    one_chunk : callable
        From row numbers (chunk,) to results with a leading axis over them.
    total : int
        Number of rows.
    chunk_size : int
        Rows at a time.
    on_progress : callable, optional
        ``on_progress(done, total)``, called in order.

    Returns
    -------
    array
        Results of all rows, in order.
    """
    chunk_size = min(chunk_size, total)

    def padded(rows: np.ndarray) -> Array:
        return jnp.asarray(np.resize(rows, chunk_size))

    chunks = [np.arange(start, min(start + chunk_size, total)) for start in range(0, total, chunk_size)]
    results = []
    with ThreadPoolExecutor(min(len(chunks), os.cpu_count() or 1)) as pool:
        finished = pool.map(lambda rows: np.asarray(one_chunk(padded(rows))), chunks)
        for rows, result in zip(chunks, finished, strict=True):
            results.append(result[: rows.size])
            if on_progress is not None:
                on_progress(int(rows[-1]) + 1, total)
    return np.concatenate(results)
