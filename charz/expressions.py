"""Expressions of ``--where`` and ``--switched``: comparisons and arithmetic over named columns.

The text is parsed here by recursive descent into closures over NumPy arrays; nothing of it ever reaches
Python's own `eval`. Grammar, loosest first::

    or      := and ("or" and)*
    and     := not ("and" not)*
    not     := "not" not | compare
    compare := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*        chained: 1 < x < 2
    sum     := term (("+" | "-") term)*
    term    := factor (("*" | "/") factor)*
    factor  := ("+" | "-") factor | power
    power   := atom ["**" factor]
    atom    := NUMBER | NAME | NAME "(" or ("," or)* ")" | "(" or ")"

Functions: ``abs(x)``, ``sqrt(x)``, ``exp(x)``, ``log(x)`` (natural), ``if(condition, yes, no)``.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ExpressionError

MAX_LENGTH = 500
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|<=|>=|==|!=|[-+*/<>(),]))"
)
_KEYWORDS = {"and", "or", "not"}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
# name: number of arguments, and the function itself
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "if": (3, np.where),
}
_HINTS = {
    "=": " (to compare, write ==)",
    "&": " (write 'and')",
    "|": " (write 'or')",
    "!": " (write 'not' or !=)",
}

Columns = Mapping[str, NDArray[np.float64]]
Node = Callable[[Columns], Any]


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Parameters
    ----------
    text : str
        As the user wrote it.
    names : tuple of str
        Columns it uses, in order of appearance.
    evaluate : callable
        From a mapping of name to array to an array of booleans or numbers.
    """

    text: str
    names: tuple[str, ...]
    evaluate: Node

    def mask(self, columns: Columns, size: int) -> NDArray[np.bool_]:
        """Evaluate for every row.

        Parameters
        ----------
        columns : mapping of str to array, shape (size,)
            Values of each name, in the file's own units.
        size : int
            Number of rows.

        Returns
        -------
        array of bool, shape (size,)
            Comparisons with NaN are False.

        Raises
        ------
        ExpressionError
            When a name is no column, or the result is neither a comparison nor a column of zeros and ones.
        """
        for name in self.names:
            if name not in columns:
                raise ExpressionError(unknown_name(self.text, name, columns))
        with np.errstate(all="ignore"):
            result = np.broadcast_to(np.asarray(self.evaluate(columns)), (size,))
        if result.dtype == bool:
            return result
        if not np.isin(result, (0, 1)).all():
            raise ExpressionError(
                f"expression {self.text!r} is a number, not yes or no; compare it with something, "
                f"for example '{self.text.strip()} > 0'"
            )
        return result == 1

    def numbers(self, columns: Columns, size: int) -> NDArray[np.float64]:
        """Evaluate for every row to numbers; yes is 1 and no is 0.

        Raises
        ------
        ExpressionError
            When a name is no column.
        """
        for name in self.names:
            if name not in columns:
                raise ExpressionError(unknown_name(self.text, name, columns))
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self.evaluate(columns), dtype=np.float64), (size,)).copy()


def unknown_name(text: str, name: str, known: Mapping[str, object]) -> str:
    """Message for a name that is no column, with the nearest known one."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    names = ", ".join(known) or "none"
    return (
        f"expression {text!r} uses {name!r}, which is no column{hint} Known names: {names}. "
        f"Map a column with --column {name}=SOURCE"
    )


def parse(text: str) -> Expression:
    """Parse an expression.

    Raises
    ------
    ExpressionError
        When it is not in the language described at the top of this module.

    Examples
    --------
    >>> parse("r_after < 20e3").names
    ('r_after',)
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"expression of {len(text)} characters is too long; at most {MAX_LENGTH} are read"
        )
    parser = _Parser(text)
    node = parser.disjunction(0)
    if parser.token is not None:
        raise parser.error(f"did not expect {parser.token!r}")
    return Expression(text, tuple(dict.fromkeys(parser.names)), node)


class _Parser:
    """Recursive descent over the tokens; each method returns the closure of one grammar rule."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._split()
        self.position = 0
        self.names: list[str] = []

    def _split(self) -> list[tuple[str, str]]:
        tokens, position, end = [], 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                rest = self.text[position:].lstrip()
                raise self.error(f"cannot read {rest[:12]!r}{_HINTS.get(rest[0], '')}")
            kind = str(match.lastgroup)
            tokens.append((kind, match.group(kind)))
            position = match.end()
        if not tokens:
            raise self.error("it is empty")
        return tokens

    def error(self, problem: str) -> ExpressionError:
        return ExpressionError(
            f"expression {self.text[:120]!r}: {problem}; allowed are column names, numbers, + - * / **, "
            f"< <= > >= == !=, and, or, not, parentheses and the functions {', '.join(_FUNCTIONS)}"
        )

    @property
    def token(self) -> str | None:
        return self.tokens[self.position][1] if self.position < len(self.tokens) else None

    def take(self, *wanted: str) -> str | None:
        """Consume and return the next token if it is one of `wanted`."""
        token = self.token
        if token in wanted:
            self.position += 1
            return token
        return None

    def disjunction(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} nested levels")
        node = self.conjunction(depth)
        while self.take("or"):
            node = _logical(np.logical_or, node, self.conjunction(depth), self.text)
        return node

    def conjunction(self, depth: int) -> Node:
        node = self.negation(depth)
        while self.take("and"):
            node = _logical(np.logical_and, node, self.negation(depth), self.text)
        return node

    def negation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} nested levels")
        if self.take("not"):
            inner = self.negation(depth + 1)
            return lambda columns: ~_truth(inner(columns), self.text)
        return self.comparison(depth)

    def comparison(self, depth: int) -> Node:
        operands, operators = [self.sum(depth)], []
        while operator := self.take(*_COMPARE):
            operators.append(_COMPARE[operator])
            operands.append(self.sum(depth))
        if not operators:
            return operands[0]

        def compare(columns: Columns) -> Any:
            values = [_number(operand(columns), self.text) for operand in operands]
            result = True
            for operator, left, right in zip(operators, values, values[1:], strict=False):
                result = np.logical_and(result, operator(left, right))
            return result

        return compare

    def sum(self, depth: int) -> Node:
        node = self.term(depth)
        while operator := self.take("+", "-"):
            node = _arithmetic(np.add if operator == "+" else np.subtract, node, self.term(depth), self.text)
        return node

    def term(self, depth: int) -> Node:
        node = self.factor(depth)
        while operator := self.take("*", "/"):
            node = _arithmetic(
                np.multiply if operator == "*" else np.divide, node, self.factor(depth), self.text
            )
        return node

    def factor(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} nested levels")
        if sign := self.take("+", "-"):
            inner = self.factor(depth + 1)
            return _arithmetic(np.multiply, lambda columns: -1.0 if sign == "-" else 1.0, inner, self.text)
        base = self.atom(depth)
        if self.take("**"):
            # Floating-point powers overflow to infinity; they cannot eat memory as Python's integers do.
            return _arithmetic(np.power, base, self.factor(depth + 1), self.text)
        return base

    def atom(self, depth: int) -> Node:
        if self.token is None:
            raise self.error("it ends too early")
        kind, token = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            value = np.float64(token)
            return lambda columns: value
        if kind == "name" and token not in _KEYWORDS:
            if self.take("("):
                return self.call(token, depth + 1)
            self.names.append(token)
            return lambda columns: columns[token]
        if token == "(":
            node = self.disjunction(depth + 1)
            if not self.take(")"):
                raise self.error("a parenthesis is not closed")
            return node
        raise self.error(f"did not expect {token!r}")

    def call(self, name: str, depth: int) -> Node:
        if name not in _FUNCTIONS:
            raise self.error(f"{name!r} is called like a function, but is none")
        arguments = [self.disjunction(depth)]
        while self.take(","):
            arguments.append(self.disjunction(depth))
        if not self.take(")"):
            raise self.error("a parenthesis is not closed")
        count, function = _FUNCTIONS[name]
        if len(arguments) != count:
            raise self.error(f"{name} takes {count} value{'s' * (count > 1)}, not {len(arguments)}")
        text = self.text

        def evaluate(columns: Columns) -> Any:
            values = [argument(columns) for argument in arguments]
            first = _truth(values[0], text) if name == "if" else _number(values[0], text)
            return function(first, *(_number(value, text) for value in values[1:]))

        return evaluate


def _number(value: Any, text: str) -> Any:
    if np.asarray(value).dtype == bool:
        raise ExpressionError(
            f"expression {text!r} computes with or compares a yes/no; join conditions with 'and'"
        )
    return value


def _truth(value: Any, text: str) -> Any:
    array = np.asarray(value)
    if array.dtype == bool:
        return array
    if not np.isin(array, (0, 1)).all():
        raise ExpressionError(
            f"expression {text!r} joins a number with and, or, not; compare it with something first"
        )
    return array == 1


def _logical(operator: Callable[[Any, Any], Any], left: Node, right: Node, text: str) -> Node:
    return lambda columns: operator(_truth(left(columns), text), _truth(right(columns), text))


def _arithmetic(operator: Callable[[Any, Any], Any], left: Node, right: Node, text: str) -> Node:
    return lambda columns: operator(_number(left(columns), text), _number(right(columns), text))
