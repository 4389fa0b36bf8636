"""A bench to practise on: the SCPI server in another process, for examples, tests, and before the real one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from charz.errors import HardwareError


@contextmanager
def stand_in_bench(*, repeatable: bool = False, **options: float) -> Iterator[str]:
    """Start ``python -m charz.learning.hardware.scpi_server`` beside this process, and end it with the block.

    Parameters
    ----------
    repeatable : bool
        Equal voltages give equal noise: for tests of resuming.
    **options
        ``device_seed``, ``noise_seed``, ``noise`` (A), ``clip`` (A), ``sampling_rate`` (Hz), ``port``.

    Yields
    ------
    str
        VISA name of the bench.

    Raises
    ------
    HardwareError
        When the server does not start (unknown option, port taken).
    """
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "charz.learning.hardware.scpi_server", "--leash", *words]
    process = subprocess.Popen(
        command + ["--repeatable"] * repeatable,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        resource = process.stdout.readline().strip()
        if not resource:
            reason = process.stderr.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise HardwareError(f"the bench stand-in did not start with {words}: {reason[0]}")
        yield resource
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
