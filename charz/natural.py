"""Order of names as people expect it."""

import re

_NUMBER = re.compile(r"([0-9]+)")


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts wire_9 before wire_10."""
    pieces = _NUMBER.split(name)
    return [(0, int(piece), "") if n % 2 else (1, 0, piece) for n, piece in enumerate(pieces) if piece]
