"""Work on many independent networks: cut into chunks, done in this process or elsewhere, stored as chunks finish."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from charz.learning.chunk_store import Chunk, ChunkStore
from charz.learning.one_network import OneNetwork, one_by_one

# Networks a chunk. The smallest train in about 10 ms, so that a chunk takes several times what it costs to send and
# store one; of large networks a crash costs this many a worker.
NETWORKS_A_CHUNK = 4


class Part(NamedTuple):
    """Networks with which the same is done.

    ``one(shared, own)`` gives a network's result; ``own(rows)`` gathers what these rows need, and no more, in NumPy
    arrays. Nothing random enters but by ``own``, by row number.
    """

    name: str
    one: OneNetwork
    shared: Any
    own: Callable[[np.ndarray], PyTree]
    num_rows: int


# Does chunks of a part and gives each as it finishes, in any order.
Workshop = Callable[[Part, list[np.ndarray]], Iterator[Chunk]]


def finish(
    part: Part,
    chunk_size: int,
    workshop: Workshop,
    store: ChunkStore | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> list[np.ndarray]:
    """Do what is not stored yet of a part.

    Parameters
    ----------
    part : Part
    chunk_size : int
        Networks that are sent and stored together. The result does not depend on it; a store may hold chunks of
        any size.
    workshop : callable
        `in_process`, or what `charz.learning.cluster.on_cluster` gives.
    store : ChunkStore, optional
    on_progress : callable, optional
        ``on_progress(done)`` networks of this part, after what was stored already and after each chunk.

    Returns
    -------
    list of arrays
        Leaves of the results of all rows, in order.
    """
    finished = [] if store is None else list(store.load(part.name))
    stored = np.concatenate([np.zeros(0, int), *(rows for rows, _ in finished)])
    missing = np.setdiff1d(np.arange(part.num_rows), stored)
    report = on_progress or (lambda done: None)
    if done := stored.size:
        report(done)
    chunks = [missing[start : start + chunk_size] for start in range(0, missing.size, chunk_size)]
    for rows, leaves in workshop(part, chunks) if chunks else ():
        if store is not None:
            store.save(part.name, rows, leaves)
        finished.append((rows, leaves))
        report(done := done + rows.size)
    order = np.argsort(np.concatenate([rows for rows, _ in finished]))
    return [np.concatenate(column)[order] for column in zip(*(leaves for _, leaves in finished), strict=True)]


def in_process(part: Part, chunks: list[np.ndarray]) -> Iterator[Chunk]:
    """Chunks on threads of this process, one a CPU: XLA runs a small network's loop on one core."""

    def work(rows: np.ndarray) -> list[np.ndarray]:
        return one_by_one(part.one, part.shared, part.own(rows))

    with ThreadPoolExecutor(min(len(chunks), os.cpu_count() or 1)) as pool:
        running = {pool.submit(work, rows): rows for rows in chunks}
        try:
            for future in as_completed(running):
                yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
