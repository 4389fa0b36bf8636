"""YAML that carries Python tags is refused: loading it would run what the tags name."""

import re
from pathlib import Path

from charz.errors import ReadError

MAX_BYTES = 50_000_000
# A tag stands where a YAML value begins: after white space, a bracket or a comma.
_TAG = re.compile(
    rb"(?:^|(?<=[\s\[{,]))"
    rb"(?:!!?python[/:]|!python\b|!<tag:yaml\.org,2002:python/)[\w./:]{0,80}",
    re.MULTILINE,
)
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def refuse_tagged_yaml(path: Path, head: bytes) -> None:
    """Raise when a text file is YAML with Python tags, whatever its name says.

    Parameters
    ----------
    path : Path
        Its first ``MAX_BYTES`` are searched; nothing is loaded.
    head : bytes
        First bytes of the file, for its encoding.

    Raises
    ------
    ReadError
        With the number of tags and the first of them.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES)
    if b"python" not in content and not head.startswith(_WIDE):
        return
    if head.startswith(_WIDE):
        # UTF-16 of ASCII letters is these letters with NUL between them.
        content = content.replace(b"\x00", b"")
    tags = _TAG.findall(content)
    if tags:
        number = f"{len(tags)} tags" if len(tags) > 1 else "a tag"
        raise ReadError(
            f"{path}: this is YAML (under whatever name) that carries {number} such as "
            f"{tags[0].decode('latin-1')!r}: loading them would run code, charz never does; export the arrays "
            "as text, npz without pickles or netCDF"
        )
