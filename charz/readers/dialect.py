"""Which delimiter and decimal sign a text file uses, found from its lines alone."""

import csv
import re
from collections import defaultdict
from collections.abc import Sequence

from charz.readers.numbers import is_number

# In order of preference where several fit equally well. None is a run of blanks, "" a single column.
STRONG_DELIMITERS = ("\t", ";", "|")
NAMES = {"\t": "tab", ";": "semicolon", "|": "pipe", ",": "comma", None: "blanks", "": "none (one column)"}
SAMPLED_LINES = 400
# A semicolon also separates, so it opens a comment only before a word; "#REF" is a failed cell.
COMMENT = re.compile(r"^\s*(?:#+(?!REF|N/A|DIV/0|NUM|VALUE|NAME)|%+|//+|;+(?=\s*[^\W\d]))\s*")


def split_cells(line: str, delimiter: str | None) -> list[str]:
    """Cut one line into stripped cells; quotes hide delimiters."""
    if delimiter == "":
        return [line.strip().strip('"').strip()]
    if '"' in line:
        if delimiter is None:
            line = " ".join(line.split())
        row = next(csv.reader([line], delimiter=delimiter or " ", skipinitialspace=True), [])
        return [cell.strip() for cell in row]
    return [cell.strip() for cell in line.split(delimiter)]


def sample(lines: Sequence[str]) -> list[str]:
    """Up to `SAMPLED_LINES` lines, evenly spaced: headers and footers stay a minority."""
    step = max(1, len(lines) // SAMPLED_LINES)
    return list(lines[::step])


def find_delimiter(lines: Sequence[str]) -> str | None:
    """Delimiter that cuts most lines into equally many numbers.

    Tab, semicolon and pipe hardly ever stand in a cell, so blanks (which do, in names and dates) are
    considered only where none of them separates numbers.
    """
    sampled = sample(lines)
    strong = {delimiter: _score(sampled, delimiter) for delimiter in STRONG_DELIMITERS}
    best = max(strong, key=lambda delimiter: strong[delimiter])
    comma, blanks = _score(sampled, ","), _score(sampled, None)
    if strong[best] > 0 and strong[best] >= comma:
        return best
    if comma > 0 and (comma >= blanks or strong[best] > 0):
        return ","
    return None if blanks > 0 else ""


def _score(lines: Sequence[str], delimiter: str | None) -> float:
    """Sum over the lines of the most frequent width (two fields or more) of their share of numeric cells."""
    shares: defaultdict[int, float] = defaultdict(float)
    for line in lines:
        cells = split_cells(line, delimiter)
        filled = [cell for cell in cells if cell]
        if len(cells) > 1 and filled:
            numeric = sum(
                is_number(cell) or (delimiter != "," and is_number(cell, comma=True)) for cell in filled
            )
            shares[len(cells)] += numeric / len(filled)
    return max(shares.values(), default=0.0)


def has_decimal_comma(lines: Sequence[str], delimiter: str | None) -> bool:
    """Whether numbers have a decimal comma: more cells with a comma than with a point.

    A file that mixes both is caught later, at the first cell that does not parse.
    """
    if delimiter == ",":
        return False
    points = commas = 0
    # Whole numbers do not tell; where the sample has nothing else, every line is looked at.
    for chosen in (sample(lines), lines):
        for line in chosen:
            for cell in split_cells(line, delimiter):
                if "," in cell:
                    commas += is_number(cell, comma=True)
                elif "." in cell:
                    points += is_number(cell)
        if points or commas:
            break
    return commas > points
