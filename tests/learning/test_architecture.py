"""One description of a network, on the command line and in Python."""

import pytest

from charz.errors import TrainError
from charz.learning.architecture import Architecture, Conv, Dense, dense, parse_architecture

PAPER = "32C5-MP2-64C5-MP2-512-10"


def test_the_network_of_gxnor():
    network = parse_architecture(PAPER, (28, 28, 1))
    assert network.layers == (Conv(32, 5, 0, 2), Conv(64, 5, 0, 2), Dense(512), Dense(10))
    assert network.shapes == [(28, 28, 1), (12, 12, 32), (4, 4, 64), (512,), (10,)]
    assert network.weight_shapes == [(25, 32), (800, 64), (1024, 512), (512, 10)]
    assert network.num_weights == 25 * 32 + 800 * 64 + 1024 * 512 + 5120
    assert (network.num_inputs, network.num_outputs) == (784, 10)
    assert str(network) == PAPER


@pytest.mark.parametrize("text", [PAPER, "128C3P1-128C3P1-MP2-10", "300-10", "10"])
def test_a_description_is_read_as_it_is_written(text):
    network = parse_architecture(text, (32, 32, 3))
    assert str(network) == text
    assert parse_architecture(str(network), (32, 32, 3)) == network


def test_padding_keeps_the_size_and_pooling_cuts_the_rest():
    assert parse_architecture("4C3P1-MP2-2", (9, 7, 1)).shapes[1] == (4, 3, 4)


def test_dense_layers_by_their_sizes():
    assert dense(784, 300, 10) == parse_architecture("300-10", (784,))
    assert parse_architecture("300-10", (28, 28, 1)).sizes("any") == (784, 300, 10)
    with pytest.raises(TrainError, match=r"32C5-MP2.* has convolutions; scheme 'danp' is defined for dense"):
        parse_architecture(PAPER, (28, 28, 1)).sizes("danp")


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        ("64-x-10", (784,), "'x' is no layer; it is made of"),
        ("64--10", (784,), "'' is no layer"),
        ("MP2-10", (28, 28, 1), "'MP2' must follow a convolution"),
        ("32C5-MP2-MP2-10", (28, 28, 1), "'MP2' must follow a convolution"),
        ("32C5-MP0-10", (28, 28, 1), "pool 1 or more pixels"),
        ("0-10", (784,), "a layer of 0 neurons"),
        ("32C5-10", (784,), r"32C5 needs an image .*and gets inputs of shape \(784,\)"),
        ("64-32C5-10", (28, 28, 1), r"needs an image .*shape \(64,\)"),
        ("0C5-10", (28, 28, 1), "channels, kernel and pool are 1 or more"),
        ("32C0-10", (28, 28, 1), "channels, kernel and pool are 1 or more"),
        ("32C30-10", (28, 28, 1), "leaves nothing of an image of 28 × 28 pixels"),
        ("64-32C5", (784,), "needs an image"),
        ("32C5", (28, 28, 1), "ends in a convolution; its last part is the number of classes"),
        ("10", (0,), r"inputs of shape \(0,\)"),
    ],
)
def test_what_cannot_be_is_said(text, inputs, message):
    with pytest.raises(TrainError, match=message):
        parse_architecture(text, inputs)


def test_a_network_has_outputs():
    with pytest.raises(TrainError, match="at least one layer"):
        Architecture((784,), ())
    with pytest.raises(TrainError, match=r"sizes \(784,\) must be at least inputs and outputs"):
        dense(784)
