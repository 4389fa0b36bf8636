"""Write schemes, one a file."""

from charz.learning.writes.electrodes import electrodes as electrodes
from charz.learning.writes.fixed_step import fixed_step as fixed_step
from charz.learning.writes.ideal import ideal as ideal
from charz.learning.writes.junction_pairs import junction_pairs as junction_pairs
from charz.learning.writes.latent import latent as latent
from charz.learning.writes.stepwise import stepwise as stepwise
from charz.learning.writes.transition import transition as transition

__all__ = ["electrodes", "fixed_step", "ideal", "junction_pairs", "latent", "stepwise", "transition"]
