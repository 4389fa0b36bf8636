"""Data to train on and to fit: image sets from local standard files, and simulated measurements."""

from charz.datasets.images import Images as Images
from charz.datasets.images import available_images as available_images
from charz.datasets.images import load_images as load_images
from charz.datasets.load import available_data as available_data
from charz.datasets.load import load_data as load_data
from charz.datasets.logic import gates as gates
from charz.datasets.logic import logic_function as logic_function
from charz.datasets.logic import logic_voltages as logic_voltages
from charz.datasets.logic import truth_table as truth_table
from charz.datasets.population import WirePopulation as WirePopulation
from charz.datasets.population import count_passes as count_passes
from charz.datasets.population import draw_wires as draw_wires
from charz.datasets.population import simulate_population as simulate_population
from charz.datasets.simulate import SimulatedWires as SimulatedWires
from charz.datasets.simulate import simulate_wires as simulate_wires
from charz.datasets.simulate import wires_dataset as wires_dataset
from charz.datasets.simulate import write_lab_csv as write_lab_csv

__all__ = [
    "Images",
    "SimulatedWires",
    "WirePopulation",
    "available_data",
    "available_images",
    "count_passes",
    "draw_wires",
    "gates",
    "load_data",
    "load_images",
    "logic_function",
    "logic_voltages",
    "simulate_population",
    "simulate_wires",
    "truth_table",
    "wires_dataset",
    "write_lab_csv",
]
