"""What to measure next: which further measurement narrows a parameter, or a predicted accuracy, most per hour."""

from charz.fitting.planning.accuracy import accuracy_target as accuracy_target
from charz.fitting.planning.candidate_files import load_candidates as load_candidates
from charz.fitting.planning.contract import Candidate as Candidate
from charz.fitting.planning.contract import Cost as Cost
from charz.fitting.planning.contract import Target as Target
from charz.fitting.planning.ranking import plan as plan
from charz.fitting.planning.target import parameter_target as parameter_target

__all__ = ["Candidate", "Cost", "Target", "accuracy_target", "load_candidates", "parameter_target", "plan"]
