"""Where `charz predict` computes: in this process, on worker processes of this machine, or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charz.errors import TrainError

if TYPE_CHECKING:
    from distributed import Client

Dask = Annotated[
    str | None,
    typer.Option(
        "--dask", help="Address of a Dask scheduler whose workers compute, e.g. tcp://127.0.0.1:8786."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Compute in so many worker processes of this machine (Dask).")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on from the finished chunks of a prediction that was stopped (OUTPUT.chunks)."
    ),
]
ChunkSize = Annotated[
    int,
    typer.Option("--chunk-size", help="Networks sent and stored together; the result does not depend on it."),
]


def check_place(dask: str | None, workers: int | None) -> None:
    """Refuse a place that cannot be, before anything is loaded.

    Raises
    ------
    TrainError
        When both places are named, there are no workers, or Dask is not installed.
    """
    if dask is not None and workers is not None:
        raise TrainError(
            f"--dask {dask} and --workers {workers} exclude each other: a cluster that runs has its own workers"
        )
    if workers is not None and workers < 1:
        raise TrainError(
            f"--workers is {workers}; it must be at least 1 (leave it out to compute in this process)"
        )
    if dask is not None or workers is not None:
        from charz.learning.cluster import require_dask

        require_dask()


@contextmanager
def place(dask: str | None, workers: int | None) -> Iterator["Client | None"]:
    """Give the client of the cluster that was asked for, or None for this process."""
    if dask is None and workers is None:
        yield None
        return
    from charz.learning.cluster import local_client, remote_client

    with local_client(workers) if workers is not None else remote_client(str(dask)) as client:
        yield client


def chunks_of(output: Path) -> Path:
    """Folder beside the output that holds the finished chunks of a prediction under way."""
    return output.with_name(output.name + ".chunks")
