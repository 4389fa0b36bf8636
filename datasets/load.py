"""Any set to learn from, by name: images from local files, or a small table."""

from pathlib import Path

from charz.datasets.images import SOURCES, Images, load_images
from charz.datasets.tables import TABLES, load_table
from charz.errors import CharzError


def available_data() -> tuple[str, ...]:
    """Names that `load_data` knows; whether image files are on this machine is another question."""
    return (*SOURCES, *TABLES)


def load_data(
    name: str,
    *,
    seed: int = 0,
    validation_fraction: float = 0.2,
    root: Path | str | None = None,
    preprocess: str = "default",
) -> Images:
    """Load a set to learn from; nothing is downloaded.

    Parameters
    ----------
    name : str
        An image set of `load_images`, or ``iris`` or ``xor``, which have one form and ignore `preprocess`.
    seed, validation_fraction, root, preprocess
        As in `load_images`.

    Returns
    -------
    Images
        Training, validation and test rows with classes from 0.

    Raises
    ------
    CharzError
        For an unknown name, or invalid options.
    ReadError
        When files are missing or damaged.
    """
    if name in TABLES:
        return load_table(name, seed=seed, validation_fraction=validation_fraction)
    if name not in SOURCES:
        raise CharzError(f"data {name!r} are not known; choose one of {', '.join(available_data())}")
    return load_images(
        name, seed=seed, validation_fraction=validation_fraction, root=root, preprocess=preprocess
    )
