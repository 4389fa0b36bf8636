"""Chunks of a prediction on a Dask cluster, on this machine or on others.

What travels is plain: NumPy arrays, frozen dataclasses, and functions of charz by name. It travels in Dask's own wire
protocol, which is pickle: whoever can connect to a scheduler or worker can run code there, so that a cluster belongs
into a network one trusts, or behind Dask's TLS. Files are never unpickled.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import PyTree

from charz.errors import TrainError
from charz.learning.chunk_store import Chunk
from charz.learning.one_network import OneNetwork, one_by_one
from charz.learning.versions import versions
from charz.learning.work import Part, Workshop

if TYPE_CHECKING:
    from distributed import Client, Future

# Chunks that wait for a thread of a worker while one is computed there: it never idles, and memory stays bounded.
AHEAD = 2
# Seconds in which a scheduler answers, and its first worker appears.
PATIENCE = 30
# Read by XLA when a process computes for the first time: threads of its pool for one program.
JAX_THREADS = "NPROC"
LOOPBACK = "127.0.0.1"


def on_cluster(client: "Client") -> Workshop:
    """Work on the workers of a cluster.

    A chunk is sent when a worker is about to need it, and again to another worker when that one is lost, which costs
    this chunk alone. Workers may come and go. JAX in a worker gets as many threads as the worker has for Dask, each
    of which computes one network at a time, unless the worker was started with ``NPROC`` in its environment.

    Parameters
    ----------
    client : distributed.Client
        Scheduler and workers need the versions of charz and JAX that this process has.

    Returns
    -------
    callable
        For `charz.learning.work.finish`. It raises TrainError when no worker appears, one has other versions, a chunk
        keeps killing its workers, or the scheduler is lost.
    """

    def workshop(part: Part, chunks: list[np.ndarray]) -> Iterator[Chunk]:
        from distributed import KilledWorker, as_completed
        from distributed.client import FutureCancelledError

        _wait_for_workers(client)
        client.register_plugin(_threads_plugin())
        shared = _submit(client, _same, part.shared)
        waiting = iter(chunks)
        running: dict[Future, np.ndarray] = {}

        def send(number: int) -> list["Future"]:
            sent = {
                _submit(client, _chunk, part.one, shared, part.own(rows), versions()): rows
                for rows in islice(waiting, number)
            }
            running.update(sent)
            return list(sent)

        try:
            finished = as_completed(send(_places(client)), loop=client.loop)
            for future in finished:
                yield running[future], future.result()
                del running[future]
                for new in send(max(0, _places(client) - len(running))):
                    finished.add(new)
        except KilledWorker as error:
            raise TrainError(
                f"a chunk of networks was lost with every worker that tried it ({error}): they were probably out of"
                " memory; start workers with more of it, or send fewer networks at a time to each"
            ) from error
        except (FutureCancelledError, OSError) as error:
            raise TrainError(
                f"the cluster gave up a chunk of networks ({error}): its scheduler was probably stopped; start one, and"
                " go on from the stored chunks, if they were to be stored"
            ) from error
        finally:
            client.cancel([shared, *running])

    return workshop


@contextmanager
def local_client(num_workers: int) -> Iterator["Client"]:
    """Give a cluster of worker processes on this machine, on the loopback address, a thread each.

    Raises
    ------
    TrainError
        When `num_workers` is below 1, or Dask is not installed.
    """
    if num_workers < 1:
        raise TrainError(f"{num_workers} workers cannot compute anything; at least 1 is needed")
    require_dask()
    from distributed import Client, LocalCluster

    # A dashboard on whatever port is free, for this machine alone. No limit of memory, at which Dask would pause and
    # kill workers: in process there is none either.
    cluster = LocalCluster(
        n_workers=num_workers,
        threads_per_worker=1,
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",
        memory_limit=0,
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def remote_client(address: str) -> Iterator["Client"]:
    """Connect to a scheduler, such as ``dask scheduler`` starts.

    Raises
    ------
    TrainError
        When nothing answers there, or Dask is not installed.
    """
    require_dask()
    from distributed import Client
    from distributed.comm import get_address_host_port

    # Not the default of Dask in this process: one that cannot connect would stay it, and everything that asks Dask
    # for a lock afterwards, as xarray does on writing a file, would try that address. One that fails at reading the
    # address is never closed, and says so a minute after the process should have ended.
    try:
        get_address_host_port(address)
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise TrainError(
            f"no Dask scheduler answers at {address!r} ({error}); start one with `dask scheduler` and give the address"
            " that it prints, for instance tcp://127.0.0.1:8786"
        ) from error
    with client:
        yield client


def require_dask() -> None:
    """Raise unless Dask can be imported.

    Raises
    ------
    TrainError
        Says how to install it.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise TrainError("a cluster needs Dask, which is not installed: pip install 'charz[dask]'") from error


def _wait_for_workers(client: "Client") -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise TrainError(
            f"the scheduler at {client.scheduler.address} has had no worker for {PATIENCE} s; start some with"
            f" `dask worker {client.scheduler.address}`"
        ) from error


def _places(client: "Client") -> int:
    """Chunks that may be under way; at least one, so that work goes on when all workers were lost for a moment."""
    return AHEAD * max(1, sum(client.nthreads().values()))


def _submit(client: "Client", function: Any, *arguments: Any) -> "Future":
    import dask

    # The data of a task stay with the scheduler until it is done, so that any worker can be lost; Dask would rather
    # have them on one.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PB"}):
        return client.submit(function, *arguments, pure=False)


def _same(shared: Any) -> Any:
    return shared


def _chunk(one: OneNetwork, shared: Any, own: PyTree, wanted: tuple[str, ...]) -> list[np.ndarray]:
    """Compute a chunk in a worker."""
    if versions() != wanted:
        raise TrainError(
            f"a worker has {', '.join(versions())} and would give other bits than this process with"
            f" {', '.join(wanted)}; install the same versions there"
        )
    return one_by_one(one, shared, own)


def _threads_plugin() -> Any:
    from distributed import WorkerPlugin

    class JaxThreads(WorkerPlugin):
        """Says to JAX in a worker how many threads it may use, before it computes."""

        name = "charz-jax-threads"

        def setup(self, worker: Any) -> None:
            os.environ.setdefault(JAX_THREADS, str(worker.state.nthreads))

    return JaxThreads()
