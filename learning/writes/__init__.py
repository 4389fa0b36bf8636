"""Write schemes, one a file."""

from charz.learning.writes.electrodes import electrodes as electrodes
from charz.learning.writes.ideal import ideal as ideal
from charz.learning.writes.transition import transition as transition

__all__ = ["electrodes", "ideal", "transition"]
