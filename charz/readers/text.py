"""From the bytes of a text file to its lines: encodings, line ends, and refusal of what is not text."""

import re
from pathlib import Path

from charz.errors import ReadError

# Byte-order marks, longest first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# First bytes of formats that are often named .csv or .txt by mistake.
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 or netCDF-4 file"),
    (b"CDF\x01", "a netCDF file"),
    (b"CDF\x02", "a netCDF file"),
    (b"PK\x03\x04", "a zip archive (xlsx, npz)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (xls)"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"TDSm", "a LabVIEW TDMS file"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b]")
_LINE_END = re.compile("\r\n|\n|\r")
SNIFFED_BYTES = 1 << 16


def refuse_binary(path: Path, head: bytes) -> None:
    """Raise `ReadError` unless the first bytes can be text.

    Raises
    ------
    ReadError
        For an empty file, a pickle (never opened: loading one runs the code in it), or a binary format.
    """
    if not head.strip():
        raise ReadError(f"{path}: the file is empty; there is nothing to read")
    if _PICKLE.match(head):
        raise ReadError(
            f"{path}: a Python pickle; charz never opens pickles because loading one runs the code inside "
            "it; "
            "save the data as text or netCDF"
        )
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise ReadError(
                f"{path}: {name}, not delimited text that can be read; without --reader charz looks for the right one"
            )
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return
    if b"\x00" in head and unmarked_utf16(head) is None:
        raise ReadError(
            f"{path}: a binary file, not text (it holds NUL bytes); if it is UTF-16 text, save it with a "
            "byte-order mark or as UTF-8"
        )


def unmarked_utf16(head: bytes) -> str | None:
    """Name of the UTF-16 that a text without byte-order mark is in: every second byte of Latin text is NUL."""
    even, odd = head[0 : len(head) // 2 * 2 : 2], head[1::2]
    for encoding, letters, zeros in (("utf-16-le", even, odd), ("utf-16-be", odd, even)):
        if zeros and zeros.count(0) > 0.9 * len(zeros) and 0 not in letters:
            return encoding
    return None


def read_text(path: Path) -> tuple[str, str]:
    """Decode a text file.

    Returns
    -------
    text : str
        Without byte-order mark; line ends as in the file.
    encoding : str
        UTF-8 if it is valid, otherwise Latin-1, where every byte is a letter.

    Raises
    ------
    ReadError
        When the file is not text.
    """
    content = path.read_bytes()
    refuse_binary(path, content[:SNIFFED_BYTES])
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return _text_only(path, content.decode(encoding)), encoding
            except UnicodeDecodeError as error:
                raise ReadError(
                    f"{path}: starts with the mark of {encoding} but is not valid: {error}"
                ) from error
    if (unmarked := unmarked_utf16(content[:SNIFFED_BYTES])) is not None:
        try:
            return _text_only(path, content.decode(unmarked)), unmarked
        except UnicodeDecodeError as error:
            raise ReadError(f"{path}: looks like {unmarked} but is not valid: {error}") from error
    try:
        return _text_only(path, content.decode("utf-8")), "utf-8"
    except UnicodeDecodeError:
        return _text_only(path, content.decode("latin-1")), "latin-1"


def split_lines(text: str) -> list[str]:
    """Split at CR LF, LF and CR, mixed or not, and at nothing else (unlike `str.splitlines`)."""
    if "\r" in text:
        return _LINE_END.split(text)
    return text.split("\n")


def _text_only(path: Path, text: str) -> str:
    if match := _CONTROL.search(text):
        raise ReadError(
            f"{path}: a binary file, not text (control character {match.group()!r} at position "
            f"{match.start()})"
        )
    return text
