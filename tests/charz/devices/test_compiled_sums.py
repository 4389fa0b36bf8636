"""Compiled sums are right: jax 0.10.2 confused two log1p of one fused sum on CPU, from some 18,000 terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

PAIRS = {
    "log1p": (lambda x, m: m.log1p(-x) + m.log1p(x)),
    "expm1": (lambda x, m: m.expm1(-x) + 2 * m.expm1(x)),
    "log1p of exp": (lambda x, m: m.log1p(m.exp(-x)) + m.log1p(m.exp(-2 * x))),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("size", [100, 20_000, 72_000])
def test_two_alike_in_one_sum(name, size):
    x = np.linspace(0.01, 0.9, size)
    with jax.enable_x64(True):
        found = float(jax.jit(lambda x: jnp.sum(PAIRS[name](x, jnp)))(jnp.asarray(x)))
    assert found == pytest.approx(float(PAIRS[name](x, np).sum()), rel=1e-9)
