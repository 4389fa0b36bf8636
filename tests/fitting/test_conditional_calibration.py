"""Every likelihood is calibrated against its simulator: the small run of what `test_calibration` does at length."""

import pytest
from conditional import NUM_REPLICATIONS, probabilities
from scipy import stats

from charz.fitting import MODELS
from charz.fitting.registry import family_of

# Outcomes of these depend on latent variables, which no line through the parameters integrates out: whole fits of
# them are calibrated in the default suite.
WITH_LATENTS = ("soft-bounds-read",)
NAMES = [name for name in MODELS if family_of(name).infer is None and name not in WITH_LATENTS]
# All rows of all models together hold with probability 99 % (about 220 rows).
LEVEL = 0.01 / 220


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_anywhere_in_its_posterior(name):
    for parameter, found in probabilities(name).items():
        assert len(found) == NUM_REPLICATIONS
        assert stats.kstest(found, "uniform").pvalue > LEVEL, (parameter, sorted(found))


def test_a_likelihood_of_another_model_is_noticed():
    """The same test on outcomes of a logistic with a floor, read by one without: not calibrated."""
    found = probabilities("logistic-plain", simulated_by="logistic")
    assert min(stats.kstest(v, "uniform").pvalue for v in found.values()) < LEVEL
