"""Linear algebra of matrices of one to four rows, written out: LAPACK calls one by one would take all the time.

Matrices are lists of rows, vectors lists, of arrays of any common shape; every operation is elementwise.
"""

import jax.numpy as jnp
from jaxtyping import Array

# Precisions below this are taken for it: a population wider than any scale, on a flat likelihood.
TINY = 1e-30


def cholesky(matrix: list[list[Array]]) -> list[list[Array]]:
    """Lower factor L of a positive definite matrix, :math:`L L^T = A`."""
    size = len(matrix)
    root: list[list[Array]] = [[] for _ in range(size)]
    for i in range(size):
        for j in range(i):
            rest = matrix[i][j] - sum(root[i][k] * root[j][k] for k in range(j))
            root[i].append(rest / root[j][j])
        root[i].append(jnp.sqrt(jnp.maximum(matrix[i][i] - sum(root[i][k] ** 2 for k in range(i)), TINY)))
    return root


def solve_lower(root: list[list[Array]], right: list[Array]) -> list[Array]:
    """Solve L x = b."""
    solution: list[Array] = []
    for i, row in enumerate(root):
        solution.append((right[i] - sum(row[k] * solution[k] for k in range(i))) / row[i])
    return solution


def solve_upper(root: list[list[Array]], right: list[Array]) -> list[Array]:
    """Solve :math:`L^T x = b`."""
    size = len(root)
    solution: list[Array] = [jnp.zeros(())] * size
    for i in reversed(range(size)):
        above = sum(root[k][i] * solution[k] for k in range(i + 1, size))
        solution[i] = (right[i] - above) / root[i][i]
    return solution
