"""Reproductions of the five papers, one a file: what is measured, what it is held against, what differs."""

from charz.errors import TrainError
from charz.learning.reproductions.boon import BOON
from charz.learning.reproductions.contract import SCALES as SCALES
from charz.learning.reproductions.contract import Experiment as Experiment
from charz.learning.reproductions.contract import Paper as Paper
from charz.learning.reproductions.contract import Row as Row
from charz.learning.reproductions.contract import Scale as Scale
from charz.learning.reproductions.contract import Sources as Sources
from charz.learning.reproductions.contract import measure as measure
from charz.learning.reproductions.ellis import ELLIS
from charz.learning.reproductions.greenberg import GREENBERG
from charz.learning.reproductions.koenders import KOENDERS
from charz.learning.reproductions.li import LI

PAPERS: dict[str, Paper] = {paper.name: paper for paper in (ELLIS, KOENDERS, LI, BOON, GREENBERG)}

__all__ = ["PAPERS", "SCALES", "Experiment", "Paper", "Row", "Scale", "Sources", "find_paper", "measure"]


def find_paper(name: str, scale: str) -> Paper:
    """The paper of that name.

    Raises
    ------
    TrainError
        For an unknown name or scale.
    """
    if name not in PAPERS:
        raise TrainError(f"paper {name!r} is not known; choose one of {', '.join(PAPERS)}")
    if scale not in SCALES:
        raise TrainError(f"--scale {scale!r} is not known; choose one of {', '.join(SCALES)}")
    return PAPERS[name]
