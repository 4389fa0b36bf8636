"""Progress bars on standard error, so that standard output stays readable by scripts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """``advance(done, total, text)`` moves the bar."""

    def __call__(self, done: int, total: int | None, text: str = "") -> None:
        """Move the bar to `done` of `total`."""


@contextmanager
def progress_bar(title: str) -> Iterator[Advance]:
    """Show a bar while the block runs; it vanishes where standard error is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None, text="")

        def advance(done: int, total: int | None, text: str = "") -> None:
            progress.update(task, completed=done, total=total, text=text)

        yield advance
