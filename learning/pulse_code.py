r"""How long a pulse must be to switch a junction as often as wanted: the code of a controller, and what comes of it.

A controller knows *u*, the wanted share of a step (:math:`|\nu|/\Delta z`), and one believed junction a direction.
Two codes make a pulse width of it, at a fixed amplitude:

.. math:: t_{inverse}(u) = P_{believed}^{-1}(\tanh(m u)), \qquad t_{linear}(u) = u\,T

The first looks up the inverse of the believed switching curve; the second ignores that no junction switches before a
dead time, so small u change nothing. Both are tabulated over ln u, once a rule: what costs in training is one look-up
a junction.

Source: notes on Greenberg-Toledo et al., Semicond. Sci. Technol. 36, 114003 (2021), sections 2.2 and 4.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from charz.devices.directions import TwoDirections
from charz.devices.law import AbstractPulsedLaw, AbstractSwitchingLaw
from charz.devices.thermal import ThermalActivation
from charz.errors import TrainError

Coding = Literal["inverse", "linear"]
# Shares below the first node are written by no pulse: with gain 3 their chance is 3e-6. 16 nodes an octave keep the
# interpolated chance within 3e-4 of itself.
OCTAVES, NODES_AN_OCTAVE = 20, 16
NUM_NODES = OCTAVES * NODES_AN_OCTAVE + 1
# Chance with which a whole step is to switch a junction.
CERTAIN = 0.999


@dataclass(frozen=True)
class PulseCode:
    """Choices of a pulse code.

    Parameters
    ----------
    coding : {"inverse", "linear"}
        Through the inverse of the believed curve, or width proportional to the wanted share.
    gain : float
        m > 0 of the inverse code (GXNOR: 3).
    overdrive : float or None
        Amplitude of all pulses, in units of the believed critical drive of their direction; above 0. None: 2, and 0.9
        for a law of thermal activation, which ends at 1.
    full_width : float or None
        T in s, of a whole step; None takes the width at which the believed junction switches in 99.9 %.

    Raises
    ------
    TrainError
        When a choice is not valid.
    """

    coding: Coding = "inverse"
    gain: float = 3.0
    overdrive: float | None = None
    full_width: float | None = None

    def __post_init__(self) -> None:
        if self.coding not in get_args(Coding):
            raise TrainError(f"coding {self.coding!r} is not known; choose {' or '.join(get_args(Coding))}")
        for name in ("gain", "overdrive", "full_width"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TrainError(f"{name} is {value}; it must be positive")


class CodeTable(NamedTuple):
    """Pulses of one direction: ``width`` (node,) in s over ln u, ``full`` width, and ``drive`` (unit of the law)."""

    width: Float[Array, " node"]
    full: Float[Array, ""]
    drive: Float[Array, ""]

    def width_of(self, share: Float[Array, "..."]) -> Float[Array, "..."]:
        """Width, in s, that the code gives to a wanted share; 0 (no pulse) where it is too small."""
        return jnp.where(share >= smallest_share(), _interpolate(self.width, share), 0.0)


def smallest_share() -> float:
    """Wanted share below which no pulse is made."""
    return 2.0**-OCTAVES


def shares() -> Float[Array, " node"]:
    """Nodes of the tables: u from 2⁻²⁰ to 1."""
    return jnp.exp2(jnp.linspace(-OCTAVES, 0, NUM_NODES))


def check_law(law: AbstractSwitchingLaw) -> AbstractPulsedLaw:
    """The law, if it knows the width of a pulse.

    Raises
    ------
    TrainError
        For a law of the amplitude alone.
    """
    if not isinstance(law, AbstractPulsedLaw):
        raise TrainError(
            f"{type(law).__name__} says nothing of the width of a pulse, and the code of a junction's pulses is their"
            " width: fit a law of both, for example --model thermal-directions or macrospin"
        )
    return law


def code_table(code: PulseCode, believed: AbstractSwitchingLaw) -> CodeTable:
    """Tabulate the pulses by which a controller writes one direction.

    Parameters
    ----------
    code : PulseCode
    believed : AbstractPulsedLaw
        What it believes of every junction; scalar leaves.

    Raises
    ------
    TrainError
        For a law that does not know the width.
    """
    law = check_law(believed)
    drive = overdrive_of(code, law) * jnp.asarray(law.critical)
    full = law.width_for(jnp.asarray(CERTAIN), drive) if code.full_width is None else code.full_width
    full = jnp.asarray(full, jnp.float32)
    if code.coding == "linear":
        width = shares() * full
    else:
        wanted = jnp.minimum(jnp.tanh(code.gain * shares()), CERTAIN)
        width = jnp.minimum(law.width_for(wanted, drive), full)
    # A believed junction may switch more often than wanted without any pulse: then none is sent.
    return CodeTable(jnp.where(width > 0, width, 0.0).astype(jnp.float32), full, drive)


def overdrive_of(code: PulseCode, law: AbstractPulsedLaw) -> float:
    """Amplitude in units of the critical drive.

    Raises
    ------
    TrainError
        For thermal activation at or above the critical drive, where the law no longer depends on the junction.
    """
    thermal = isinstance(law, ThermalActivation)
    overdrive = code.overdrive if code.overdrive is not None else (0.9 if thermal else 2.0)
    if thermal and overdrive >= 1:
        raise TrainError(
            f"overdrive is {overdrive}; a law of thermal activation ends at the critical drive, so it must be below 1"
            " (spin torque above it: fit macrospin)"
        )
    return overdrive


class ChanceTable(NamedTuple):
    """What a code does to junctions that are alike: ``log_chance`` (node,) over ln u, ``full``: of a full pulse."""

    log_chance: Float[Array, " node"]
    full: Float[Array, ""]


def chance_table(table: CodeTable, actual: AbstractPulsedLaw) -> ChanceTable:
    """Chances, by the actual law with scalar leaves, of the pulses of a code."""
    log_chance = actual.for_width(table.width).log_probability(table.drive)
    full = actual.for_width(table.full).probability(table.drive)
    return ChanceTable(jnp.where(table.width > 0, log_chance, -jnp.inf), full)


class Chances(NamedTuple):
    """Chance that junctions of one direction switch: by a table where all are alike, else each by its own law."""

    code: CodeTable
    actual: AbstractPulsedLaw
    table: ChanceTable | None

    def of(self, share: Float[Array, "..."], full: Bool[Array, "..."]) -> Float[Array, "..."]:
        """Chance of a pulse for the wanted share, or of a full one."""
        if self.table is None:
            width = jnp.where(full, self.code.full, self.code.width_of(share))
            law = self.actual.for_width(jnp.where(width > 0, width, self.code.full))
            return jnp.where(width > 0, law.probability(self.code.drive), 0.0)
        partial = jnp.exp(_interpolate(self.table.log_chance, share))
        return jnp.where(full, self.table.full, jnp.where(share >= smallest_share(), partial, 0.0))


def chances(code: PulseCode, actual: TwoDirections, believed: TwoDirections) -> tuple[Chances, Chances]:
    """Chances of set and of reset.

    Raises
    ------
    TrainError
        For laws that do not know the width.
    """
    return tuple(  # type: ignore[return-value]  # of two
        _direction(code, check_law(is_), thought)
        for is_, thought in ((actual.set, believed.set), (actual.reset, believed.reset))
    )


def _direction(code: PulseCode, actual: AbstractPulsedLaw, believed: AbstractSwitchingLaw) -> Chances:
    table = code_table(code, believed)
    alike = all(jnp.ndim(leaf) == 0 for leaf in jax.tree.leaves(actual.for_width(table.full)))
    return Chances(table, actual, chance_table(table, actual) if alike else None)


def _interpolate(values: Float[Array, " node"], share: Float[Array, "..."]) -> Float[Array, "..."]:
    """Linear in ln u between the nodes; shares outside take the value at the end."""
    place = (jnp.log2(jnp.clip(share, smallest_share(), 1.0)) + OCTAVES) * NODES_AN_OCTAVE
    left = jnp.minimum(place.astype(jnp.int32), NUM_NODES - 2)
    rest = place - left
    low, high = values[left], values[left + 1]
    # No pulse at the left node: none up to the right one, for infinities cannot be weighed.
    return jnp.where(jnp.isfinite(low), low * (1 - rest) + high * rest, jnp.where(rest < 1, low, high))
