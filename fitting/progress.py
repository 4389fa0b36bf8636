"""A progress bar for the sampler, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown_progress(
    progress: bool | Callable[[int], None], total: int
) -> Iterator[Callable[[int], None] | None]:
    """Give what the sampler calls with its finished steps: a bar's, the caller's own, or nothing.

    Parameters
    ----------
    progress : bool or callable
    total : int
        Steps planned; chains that are extended run past it.
    """
    if callable(progress) or not progress:
        yield progress if callable(progress) else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("sampling"),
        BarColumn(),
        TextColumn("{task.completed:.0f} steps"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sampling", total=total)
        yield lambda steps: bar.advance(task, steps)
