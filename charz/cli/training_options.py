"""Options that training commands share, declared once: which scheme, on which devices and data, for how long."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer


class Request(NamedTuple):
    """What a user asks a training command for; scheme options that were not given stay out of `options`."""

    scheme: str
    device: str | None
    data: str
    preprocess: str | None
    network: str | None
    epochs: int
    batch_size: int
    patience: int
    inference: str
    votes: int
    read_interval: float | None
    gain: float | None
    cut: str | None
    record: str | None
    seed: int
    options: dict[str, Any]

    def settings(self, **others: Any) -> dict[str, Any]:
        """Everything that was asked for, for the record of a result."""
        plain = {name: value for name, value in self._asdict().items() if name not in ("options", "seed")}
        return {**plain, **self.options, **others}


# Options of schemes: a scheme takes those that are fields of its class.
SCHEME_OPTIONS: dict[str, Any] = {
    "num_reads": Annotated[
        str | None,
        typer.Option("--num-reads", help="Measurements N per synapse, or inf (mean-field limit). [1]"),
    ],
    "differential": Annotated[
        bool | None,
        typer.Option("--differential", help="Each weight is a pair of devices."),
    ],
    "decorrelation_rate": Annotated[
        float | None, typer.Option("--decorrelation-rate", help="Rate that decorrelates a layer's inputs.")
    ],
    "final_rate": Annotated[
        float | None, typer.Option("--final-rate", help="Share of the learning rate left at the last step.")
    ],
    "derivative": Annotated[
        str | None,
        typer.Option("--derivative", help="times-four or plain (binary-stochastic). [times-four]"),
    ],
    "errors": Annotated[
        str | None, typer.Option("--errors", help="signed or linear (binary-stochastic). [signed]")
    ],
    "input_signals": Annotated[
        str | None,
        typer.Option("--input-signals", help="analog or binary (binary-stochastic). [analog]"),
    ],
    "weight_limit": Annotated[
        float | None,
        typer.Option("--weight-limit", help="Largest weight that is not a device (binary-stochastic). [8]"),
    ],
    "carry_digits": Annotated[
        int | None, typer.Option("--carry-digits", help="Digits of a weight (binary-stochastic). [1]")
    ],
    "carry_base": Annotated[
        int | None, typer.Option("--carry-base", help="Base of its digits (binary-stochastic). [4]")
    ],
    "carry_period": Annotated[
        int | None,
        typer.Option(
            "--carry-period", help="Updates in which a weight is carried (binary-stochastic). [100]"
        ),
    ],
    "restarts": Annotated[
        int | None, typer.Option("--restarts", help="Random starts of each gate (homodyne). [5]")
    ],
    "data_electrodes": Annotated[
        str | None,
        typer.Option("--data-electrodes", help="The two electrodes of the inputs (homodyne). [0,1]"),
    ],
    "states": Annotated[
        str | None,
        typer.Option("--states", help="Of quantized weights and neurons: ternary or binary. [ternary]"),
    ],
    "transition_gain": Annotated[
        float | None,
        typer.Option("--transition-gain", help="m in the chance tanh(m |rest|) of a jump (gxnor). [3]"),
    ],
    "coding": Annotated[
        str | None,
        typer.Option("--coding", help="Of pulses by their width: inverse or linear (gxnor-mtj). [inverse]"),
    ],
    "addressing": Annotated[
        str | None,
        typer.Option(
            "--addressing", help="Junctions a pulse reaches: both, first or unswitched (gxnor-mtj). [both]"
        ),
    ],
    "overdrive": Annotated[
        float | None,
        typer.Option("--overdrive", help="Pulse amplitude / critical drive (gxnor-mtj). [2; thermal 0.9]"),
    ],
    "full_width": Annotated[
        float | None,
        typer.Option("--full-width", help="Width of the pulse of a whole step, in s (gxnor-mtj)."),
    ],
    "threshold": Annotated[
        float | None,
        typer.Option("--threshold", help="Inputs within ± this leave a ternary neuron at 0. [1]"),
    ],
    "window": Annotated[
        float | None,
        typer.Option("--window", help="Half-width of the window in place of a quantized derivative. [0.5]"),
    ],
    "activation": Annotated[
        str | None, typer.Option("--activation", help="relu, sigmoid or hard-tanh (backprop). [relu]")
    ],
    "batch_norm": Annotated[
        bool | None, typer.Option("--batch-norm", help="Batch normalisation of every layer (backprop).")
    ],
    "dropout": Annotated[
        float | None, typer.Option("--dropout", help="Share of silent hidden neurons (backprop). [0]")
    ],
    "loss": Annotated[
        str | None, typer.Option("--loss", help="cross-entropy or squared-hinge (backprop). [cross-entropy]")
    ],
    "learning_rate": Annotated[
        float | None, typer.Option("--learning-rate", help="Rate of the optimizer, at the start.")
    ],
}

SHARED_OPTIONS: dict[str, tuple[Any, Any]] = {
    "scheme": (
        Annotated[str, typer.Option("--scheme", help="Learning scheme, see the README's table.")],
        "mean-variance",
    ),
    "device": (
        Annotated[
            str | None,
            typer.Option(
                "--device",
                help="Posterior file of `charz fit`, a published device by name, or a recorded trace (noise of nodes).",
            ),
        ],
        None,
    ),
    "data": (
        Annotated[
            str, typer.Option("--data", help="digits, iris, xor; mnist, ... (local files, CHARZ_DATA).")
        ],
        "digits",
    ),
    "preprocess": (
        Annotated[
            str | None, typer.Option("--preprocess", help="How images become inputs; default: the scheme's.")
        ],
        None,
    ),
    "network": (
        Annotated[
            str | None,
            typer.Option(
                "--network",
                help="Layers after the inputs: 64-10, or 32C5-MP2-64C5-MP2-512-10. Default: the outputs alone.",
            ),
        ],
        None,
    ),
    "epochs": (
        Annotated[int, typer.Option("--epochs", help="At most so many passes over the training data.")],
        100,
    ),
    "batch_size": (Annotated[int, typer.Option("--batch-size", help="Samples a step.")], 64),
    "patience": (
        Annotated[
            int,
            typer.Option("--patience", help="Stop after so many epochs without a better validation loss."),
        ],
        20,
    ),
    "inference": (
        Annotated[
            str,
            typer.Option(
                "--inference", help="How the network is asked: single-shot, votes or deterministic."
            ),
        ],
        "single-shot",
    ),
    "votes": (Annotated[int, typer.Option("--votes", help="Passes of --inference votes.")], 1),
    "read_interval": (
        Annotated[
            float | None,
            typer.Option(
                "--read-interval", help="Time between reads of a node's noise, in s; default: the record's."
            ),
        ],
        None,
    ),
    "gain": (
        Annotated[
            float | None,
            typer.Option("--gain", help="Volts at a node per unit of the telegraph signal; default 1 for V."),
        ],
        None,
    ),
    "cut": (
        Annotated[
            str | None,
            typer.Option(
                "--cut",
                help="How a recorded trace is handed to the nodes: strided (nodes far apart in it) or row-major"
                " (neighbouring samples to neighbouring nodes, biased). [strided]",
            ),
        ],
        None,
    ),
    "record": (
        Annotated[
            str | None,
            typer.Option("--record", help="Device of a file with several recorded traces that is replayed."),
        ],
        None,
    ),
    "seed": (Annotated[int, typer.Option("--seed", help="Seed of every random draw.")], 0),
}
PANEL = "Options of schemes"


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all shared options; it receives them as its argument `request`."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "request"]
    shared = [_parameter(name, kind, default) for name, (kind, default) in SHARED_OPTIONS.items()]
    schemes = [_parameter(name, _in_panel(kind), None) for name, kind in SCHEME_OPTIONS.items()]

    def run(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in SCHEME_OPTIONS}
        options = {name: value for name, value in chosen.items() if value is not None}
        request = Request(**{name: given.pop(name) for name in SHARED_OPTIONS}, options=options)
        command(request=request, **given)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared, *schemes)]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _in_panel(annotation: Any) -> Any:
    (option,) = annotation.__metadata__
    option.rich_help_panel = PANEL
    return annotation


def flag(name: str) -> str:
    """An option's name as it is typed."""
    return f"--{name.replace('_', '-')}"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
