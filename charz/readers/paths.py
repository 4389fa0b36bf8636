"""What the names of files and folders say: fields of a pattern such as ``{radius}um/{amplitude}V_*.csv``."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from charz.errors import ReadError
from charz.natural import natural

# Laboratories write p1V_m4V for +1 V to -4 V, and .8V for 0.8 V.
_SIGNED = re.compile(r"(?P<sign>[pm+-]?)(?P<digits>(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?)")
_PIECE = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<any>\*\*?|\.\.\.)")


def path_fields(path: Path, pattern: str) -> dict[str, str]:
    """Fields of a path.

    Parameters
    ----------
    path : Path
    pattern : str
        Text that stands in the path, ``{name}`` for a field, ``*`` (or ``...``) for anything within one name.
        It is compared with the last parts of the path, as many as the pattern has.

    Returns
    -------
    dict
        Text of each field, with ``file`` (name without ending) and ``folder`` added.

    Raises
    ------
    ReadError
        When the path does not fit, or the pattern is not valid.
    """
    found = standard_fields(path)
    parts = path.absolute().parts[-(pattern.count("/") + 1) :]
    match = _compiled(pattern).fullmatch(_normal("/".join(parts)))
    if match is None:
        raise ReadError(
            f"{path}: the path does not fit the pattern {pattern!r}; correct 'path', or leave the file out "
            "with 'files'"
        )
    return {**found, **match.groupdict()}


def standard_fields(path: Path) -> dict[str, str]:
    """Fields that every file has: ``file`` and ``folder``."""
    return {"file": path.stem if path.suffix else path.name, "folder": path.absolute().parent.name}


def field_number(text: str) -> float | None:
    """Number that a field spells (``1.5``, ``.8``, ``m4`` for -4, ``p1`` for +1); None where it is none."""
    match = _SIGNED.fullmatch(text)
    if match is None:
        return None
    value = float(match.group("digits").replace(",", "."))
    return -value if match.group("sign") in ("m", "-") else value


def filled(template: str, values: Mapping[str, str], key: str, place: str) -> str:
    """Replace ``{name}`` in a template.

    Raises
    ------
    ReadError
        When the template names a field that the path pattern does not have.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise ReadError(
                f"{place}: {key} = {template!r} uses {{{name}}}, which is no field of the path; known: "
                f"{', '.join(values)}"
            )
        return values[name]

    return re.sub(r"\{([^{}]*)\}", value, template)


def expand(paths: Sequence[Path], patterns: Sequence[str], skip: Sequence[str]) -> list[Path]:
    """Replace each folder by its files, in natural order.

    Parameters
    ----------
    paths : sequence of Path
    patterns : sequence of str
        Which files of a folder; empty takes all that are not hidden.
    skip : sequence of str
        Names that are never data.

    Raises
    ------
    ReadError
        When a folder holds no such file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = {file for pattern in patterns or ("*",) for file in _glob(path, pattern)}
        files = [file for file in inside if file.is_file() and not _is_hidden(file, path)]
        files = [file for file in files if file.name not in skip]
        if not files:
            wanted = f"that fits files = {list(patterns)}" if patterns else "with data"
            raise ReadError(f"{path}: a folder, but there is no file in it {wanted}")
        found.extend(sorted(files, key=lambda file: natural(str(file))))
    return found


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise ReadError(f"files = {pattern!r} is not a pattern of file names: {error}") from error


def _is_hidden(file: Path, folder: Path) -> bool:
    """Whether a file or a folder on the way to it is hidden, as the copies in .ipynb_checkpoints are."""
    return any(part.startswith(".") and part != ".." for part in file.relative_to(folder).parts)


def _compiled(pattern: str) -> re.Pattern[str]:
    expression, position, seen = "", 0, set()
    text = _normal(pattern)
    for piece in _PIECE.finditer(text):
        expression += re.escape(text[position : piece.start()])
        position = piece.end()
        name = piece.group("field")
        if name is None:
            expression += "[^/]*"
            continue
        if not name.isidentifier() or name in seen:
            raise ReadError(
                f"path = {pattern!r}: the field {{{name}}} must be a word of letters, digits and _, used once"
            )
        seen.add(name)
        expression += f"(?P<{name}>[^/]+?)"
    return re.compile(expression + re.escape(text[position:]))


def _normal(text: str) -> str:
    """One spelling of letters that look alike: the ohm sign U+2126 is the Greek capital omega."""
    return unicodedata.normalize("NFC", text)
