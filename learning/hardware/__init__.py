"""Hardware in the loop: any Python function, or an instrument, in place of the simulated device."""

from charz.learning.hardware.black_box import ElectrodeLimits as ElectrodeLimits
from charz.learning.hardware.black_box import as_measure as as_measure
from charz.learning.hardware.instrument import Bench as Bench
from charz.learning.hardware.material_gates import solve_gates_measured as solve_gates_measured
from charz.learning.hardware.perturbation import measured_perturbation as measured_perturbation
from charz.learning.hardware.scpi import Dialect as Dialect
from charz.learning.hardware.stand_in import stand_in_bench as stand_in_bench
from charz.learning.hardware.synapses import measured_mean_variance as measured_mean_variance
from charz.learning.hardware.training import train_measured as train_measured

__all__ = [
    "Bench",
    "Dialect",
    "ElectrodeLimits",
    "as_measure",
    "measured_mean_variance",
    "measured_perturbation",
    "solve_gates_measured",
    "stand_in_bench",
    "train_measured",
]
