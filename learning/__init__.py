"""Learning on stochastic devices: gradient estimator × optimizer × write scheme."""

from charz.learning.evaluation import evaluate as evaluate
from charz.learning.gates import Descent as Descent
from charz.learning.gates import GateTask as GateTask
from charz.learning.gates import solve_gates as solve_gates
from charz.learning.inference import Inference as Inference
from charz.learning.predict import Design as Design
from charz.learning.predict import predict_accuracy as predict_accuracy
from charz.learning.rule import Batch as Batch
from charz.learning.rule import GradientEstimator as GradientEstimator
from charz.learning.rule import UpdateRule as UpdateRule
from charz.learning.rule import WriteScheme as WriteScheme
from charz.learning.rule import join as join
from charz.learning.schemes import SCHEMES as SCHEMES
from charz.learning.schemes import ActivityPerturbation as ActivityPerturbation
from charz.learning.schemes import Backprop as Backprop
from charz.learning.schemes import BinaryStochastic as BinaryStochastic
from charz.learning.schemes import Danp as Danp
from charz.learning.schemes import Gxnor as Gxnor
from charz.learning.schemes import GxnorMtj as GxnorMtj
from charz.learning.schemes import MeanVariance as MeanVariance
from charz.learning.schemes import NodePerturbation as NodePerturbation
from charz.learning.schemes import Scheme as Scheme
from charz.learning.schemes import StraightThrough as StraightThrough
from charz.learning.train import Training as Training
from charz.learning.train import train as train
from charz.learning.training_loop import TrainingData as TrainingData
from charz.learning.training_loop import TrainOptions as TrainOptions
from charz.learning.variance import split_variance as split_variance

__all__ = [
    "SCHEMES",
    "ActivityPerturbation",
    "Backprop",
    "Batch",
    "BinaryStochastic",
    "Danp",
    "Descent",
    "Design",
    "GateTask",
    "GradientEstimator",
    "Gxnor",
    "GxnorMtj",
    "Inference",
    "MeanVariance",
    "NodePerturbation",
    "Scheme",
    "StraightThrough",
    "TrainOptions",
    "Training",
    "TrainingData",
    "UpdateRule",
    "WriteScheme",
    "evaluate",
    "join",
    "predict_accuracy",
    "solve_gates",
    "split_variance",
    "train",
]
