"""A bench stand-in: SCPI over a socket on the loopback address, with a simulated material behind it.

    python -m charz.learning.hardware.scpi_server --port 5025 --device-seed 5

Beside the commands of `Dialect` it knows faults for the next record: ``SIMulation:DELay 3`` (answer 3 s late),
``SIMulation:DROP`` (break the connection in the middle of it), ``SIMulation:ERRor -240,Hardware error`` (an entry of
the error queue, at once), and ``SIMulation:RECords?``, how many it has played.
"""

import argparse
import socketserver
import sys
import threading
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

import charz
from charz.devices.material import synthetic_material
from charz.devices.material_record import RecordedMaterial
from charz.learning.hardware.scpi import BrokenBlock, Message, as_block, matches, read_message
from charz.learning.hardware.simulated_bench import LONGEST_RECORD, Dropped, SimulatedBench

# Nobody but this machine: whoever connects may set voltages.
LOOPBACK = "127.0.0.1"
Answer = str | bytes | None


def _numbers(values: np.ndarray) -> str:
    return ",".join(f"{value:.9g}" for value in np.atleast_1d(values))


def _record(bench: SimulatedBench) -> bytes | None:
    current = bench.record()
    return None if current is None else as_block(current.astype("<f8").tobytes())


def _fault(bench: SimulatedBench, argument: str) -> None:
    code, _, text = argument.partition(",")
    bench.complain(int(code), text.strip().strip('"'))


COMMANDS: dict[str, Callable[[SimulatedBench, Message], Answer]] = {
    "*IDN?": lambda bench, message: f"charz,simulated bench,0,{charz.__version__}",
    "*CLS": lambda bench, message: bench.forget_errors(),
    "*RST": lambda bench, message: bench.set_levels(np.zeros_like(bench.levels)),
    "*OPC?": lambda bench, message: "1",
    "SYSTem:ERRor?": lambda bench, message: str(bench.next_error()),
    # The only format there is.
    "FORMat:DATA": lambda bench, message: None,
    "FORMat:BORDer": lambda bench, message: None,
    "SOURce:VOLTage:RANGe:LOWer?": lambda bench, message: _numbers(bench.lowest),
    "SOURce:VOLTage:RANGe:UPPer?": lambda bench, message: _numbers(bench.highest),
    "SENSe:CURRent:RANGe?": lambda bench, message: _numbers(np.asarray(bench.device.material.clip)),
    "SENSe:SWEep:RATE?": lambda bench, message: _numbers(np.asarray(bench.device.sampling_rate)),
    "SENSe:SWEep:POINts?": lambda bench, message: str(LONGEST_RECORD),
    "SOURce:VOLTage:LEVel?": lambda bench, message: _numbers(bench.levels),
    "SOURce:VOLTage:LEVel": lambda bench, message: bench.set_levels(
        np.asarray([float(part) for part in message.argument.split(",")])
    ),
    "SOURce:VOLTage:DATA": lambda bench, message: bench.load(np.frombuffer(message.block, "<f8")),
    "READ?": lambda bench, message: _record(bench),
    "SIMulation:DELay": lambda bench, message: bench.delay_next(float(message.argument)),
    "SIMulation:DROP": lambda bench, message: bench.drop_next(),
    "SIMulation:ERRor": lambda bench, message: _fault(bench, message.argument),
    "SIMulation:RECords?": lambda bench, message: str(bench.records),
}


def answer(bench: SimulatedBench, message: Message) -> Answer:
    """Do what a message asks, and return its answer; what is not understood goes into the error queue.

    Raises
    ------
    Dropped
        Where the connection shall break.
    """
    if not message.header:
        return None
    act = next((act for pattern, act in COMMANDS.items() if matches(pattern, message.header)), None)
    if act is None:
        bench.complain(-113, f"Undefined header; {message.header[:40]}")
        return None
    try:
        return act(bench, message)
    except ValueError:
        bench.complain(-104, f"Data type error; {message.header[:40]}")
        return None


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: "BenchServer"

    def handle(self) -> None:
        """Answer messages until the connection ends."""
        try:
            while (message := read_message(self.rfile)) is not None:
                said = answer(self.server.bench, message)
                if said is not None:
                    self.wfile.write((said.encode() if isinstance(said, str) else said) + b"\n")
        except (BrokenBlock, Dropped, ConnectionError):
            # Where a block ends is not known any more, or nobody listens.
            return


class BenchServer(socketserver.ThreadingTCPServer):
    """Listens on the loopback address; port 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, bench: SimulatedBench, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), Session)
        self.bench = bench

    @property
    def resource(self) -> str:
        """VISA name under which it is reached."""
        return f"TCPIP::{LOOPBACK}::{self.server_address[1]}::SOCKET"


def simulated_device(
    seed: int, sampling_rate: float, noise: float = 0.3e-9, clip: float = np.inf
) -> RecordedMaterial:
    """Synthetic material of this seed, with noise of a sample and amplifier's limit in A."""
    # Compiled as a whole: operation by operation the first call takes twice as long.
    material = jax.jit(lambda key: synthetic_material(key, noise=noise, clip=clip))(jax.random.key(seed))
    return RecordedMaterial(jax.tree.map(jnp.asarray, material), sampling_rate)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted, or with ``--leash`` until standard input ends."""
    parser = argparse.ArgumentParser(description="A simulated material behind SCPI on the loopback address.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--device-seed", type=int, default=0, help="which synthetic material")
    parser.add_argument("--noise-seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.3e-9, help="standard deviation of a sample, A")
    parser.add_argument("--clip", type=float, default=np.inf, help="limit of the amplifier, A")
    parser.add_argument("--sampling-rate", type=float, default=1e4, help="Hz")
    parser.add_argument(
        "--repeatable", action="store_true", help="equal voltages give equal noise (for tests)"
    )
    parser.add_argument("--leash", action="store_true", help="end when standard input does")
    options = parser.parse_args(arguments)
    device = simulated_device(options.device_seed, options.sampling_rate, options.noise, options.clip)
    with BenchServer(SimulatedBench(device, options.noise_seed, options.repeatable), options.port) as server:
        sys.stdout.write(f"{server.resource}\n")
        sys.stdout.flush()
        if options.leash:
            threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
        server.serve_forever(poll_interval=0.1)


def _end_with_input(server: BenchServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
