"""Reference for a perpendicular macrospin under spin torque: its Fokker-Planck equation, solved numerically.

The free layer's angle is the only coordinate (axial symmetry), so the equation is one-dimensional and the
solution is exact for all drives, below and above the critical current. It is too slow for a likelihood: it
makes the table of `charz.devices.macrospin_table` and judges the closed forms of `charz.devices.macrospin`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.lapack import dgttrf, dgttrs
from scipy.special import dawsn

from charz.errors import CharzError

NUM_CELLS = 1500
# Crank-Nicolson steps for every factor e of time, and before the first requested time.
STEPS_PER_EFOLD = 400
# Crank-Nicolson hardly damps the fastest modes of the start, which has an edge at u = 0: implicit Euler does.
DAMPING_STEPS = 4

Floats = NDArray[np.float64]


def switching_probability(
    thermal_stability: float,
    overdrive: float,
    times: ArrayLike,
    *,
    num_cells: int = NUM_CELLS,
    steps_per_efold: int = STEPS_PER_EFOLD,
) -> Floats:
    r"""Probability that the macrospin lies beyond the equator after a pulse, :math:`\int_{u<0}\rho\,du`.

    Parameters
    ----------
    thermal_stability : float
        Δ = E_b/kT > 0, dimensionless.
    overdrive : float
        i = I/I_c0, dimensionless; positive drives the switching.
    times : array, shape (times,)
        Pulse widths over the relaxation time, t/τ_D > 0, rising.
    num_cells, steps_per_efold : int
        Resolution in angle and time, see `distributions`.

    Returns
    -------
    array, shape (times,)
        Dimensionless, in [0, 1].

    Raises
    ------
    CharzError
        As `distributions`.
    """
    masses = distributions(
        thermal_stability, overdrive, times, num_cells=num_cells, steps_per_efold=steps_per_efold
    )
    return masses[:, num_cells // 2 :].sum(axis=1)


def distributions(
    thermal_stability: float,
    overdrive: float,
    times: ArrayLike,
    *,
    num_cells: int = NUM_CELLS,
    steps_per_efold: int = STEPS_PER_EFOLD,
) -> Floats:
    r"""Distribution of the angle after each pulse width, as probability in each cell.

    With :math:`u = \cos\theta` and time in units of :math:`\tau_D = (1+\alpha^2)/(\alpha\gamma\mu_0 H_k)`,

    .. math:: \partial_t\rho = \partial_u\left\{(1-u^2)\left[-(u-i)\rho
              + \tfrac{1}{2\Delta}\,\partial_u\rho\right]\right\},
              \qquad \rho(0) \propto e^{-\Delta(1-u^2)}\ (u > 0).

    Finite volumes with cells uniform in θ and the Scharfetter-Gummel flux, which keeps the stationary
    distribution and positive densities; four steps of implicit Euler, then Crank-Nicolson. The step is at most
    t/`steps_per_efold`, so that times may span many decades.

    Parameters
    ----------
    thermal_stability, overdrive, times
        See `switching_probability`.
    num_cells : int
        Even, so that the equator is an edge.
    steps_per_efold : int
        Time steps for each factor e of time.

    Returns
    -------
    array, shape (times, num_cells)
        Cells from θ = 0 (the start) to θ = π; each row sums to 1.

    Raises
    ------
    CharzError
        If Δ is not positive, i is not finite, the times do not rise from above zero, or `num_cells` is odd.
    """
    times = np.atleast_1d(np.asarray(times, dtype=float))
    _check(thermal_stability, overdrive, times, num_cells)
    lower, diagonal, upper = generator(thermal_stability, overdrive, num_cells)

    mass = start_masses(thermal_stability, num_cells)
    result = np.empty((times.size, num_cells))
    damping = DAMPING_STEPS
    for row, (begin, end) in enumerate(zip(np.append(0.0, times), times, strict=False)):
        num_steps = max(DAMPING_STEPS, int(np.ceil(steps_per_efold * (end - begin) / end)))
        step = (end - begin) / num_steps
        if damping:
            mass = _advance(mass, lower, diagonal, upper, step, damping, crank_nicolson=False)
            num_steps, damping = num_steps - damping, 0
        mass = _advance(mass, lower, diagonal, upper, step, num_steps, crank_nicolson=True)
        result[row] = mass
    return result


def start_masses(thermal_stability: float, num_cells: int = NUM_CELLS) -> Floats:
    r"""Thermal equilibrium of the upper well, :math:`\rho \propto e^{-\Delta(1-u^2)}` on u > 0, by cells.

    The cells hold exact integrals, :math:`\int_0^u e^{\Delta(v^2-1)}dv = e^{\Delta(u^2-1)}
    D(\sqrt\Delta\,u)/\sqrt\Delta` with Dawson's integral D.
    """
    edges = _edges(num_cells)[: num_cells // 2 + 1]
    root = np.sqrt(thermal_stability)
    cumulative = np.exp(thermal_stability * (edges**2 - 1)) * dawsn(root * edges)
    mass = np.zeros(num_cells)
    mass[: num_cells // 2] = -np.diff(cumulative) / cumulative[0]
    return mass / mass.sum()


def generator(
    thermal_stability: float, overdrive: float, num_cells: int = NUM_CELLS
) -> tuple[Floats, Floats, Floats]:
    """Diagonals (lower, main, upper) of the matrix A in d(mass)/dt = A mass; its columns sum to zero.

    The rate between neighbours is that of Scharfetter and Gummel with the Péclet number 2Δ h (u - i) taken
    halfway between the cells' centres, where it makes the stationary state exact.
    """
    edges = _edges(num_cells)
    size = -np.diff(edges)
    centre = (edges[:-1] + edges[1:]) / 2
    distance = centre[:-1] - centre[1:]
    diffusion = (1 - edges[1:-1] ** 2) / (2 * thermal_stability * distance)
    peclet = 2 * thermal_stability * distance * ((centre[:-1] + centre[1:]) / 2 - overdrive)
    # Away from the start (falling u) the drift is -(u - i), against `peclet`.
    away = diffusion * _bernoulli(peclet) / size[:-1]
    back = diffusion * _bernoulli(-peclet) / size[1:]
    main = np.zeros(num_cells)
    main[:-1] -= away
    main[1:] -= back
    return away, main, back


def _edges(num_cells: int) -> Floats:
    """Edges of the cells in u, falling from 1 to -1; the equator is exactly 0."""
    edges = np.cos(np.linspace(0, np.pi, num_cells + 1))
    edges[num_cells // 2] = 0.0
    return edges


def _bernoulli(value: Floats) -> Floats:
    """Bernoulli function x/(eˣ - 1), 1 at zero."""
    small = np.abs(value) < 1e-10
    safe = np.where(small, 1.0, np.clip(value, -700, 700))
    return np.where(small, 1 - value / 2, safe / np.expm1(safe))


def _advance(
    mass: Floats,
    lower: Floats,
    diagonal: Floats,
    upper: Floats,
    step: float,
    num_steps: int,
    *,
    crank_nicolson: bool,
) -> Floats:
    """Take equal steps m + (1 - ηhA)⁻¹ hA m, with η = ½ (Crank-Nicolson) or 1 (implicit Euler).

    Solving for the change, with A m a difference of flows, keeps the sum of a slowly decaying state.
    """
    implicit = step / 2 if crank_nicolson else step
    *factors, _ = dgttrf(-implicit * lower, 1 - implicit * diagonal, -implicit * upper)
    for _ in range(num_steps):
        change = np.diff(upper * mass[1:] - lower * mass[:-1], prepend=0.0, append=0.0)
        mass = mass + dgttrs(*factors, step * change)[0]
    return mass


def _check(thermal_stability: float, overdrive: float, times: Floats, num_cells: int) -> None:
    if not (np.isfinite(thermal_stability) and thermal_stability > 0):
        raise CharzError(
            f"thermal_stability is {thermal_stability}: it is E_b/kT and must be a positive number, because "
            "without a barrier there is no state to switch from"
        )
    if not np.isfinite(overdrive):
        raise CharzError(f"overdrive is {overdrive}: it is I/I_c0 and must be a finite number")
    if times.ndim != 1 or not (np.all(np.isfinite(times)) and np.all(np.diff(times, prepend=0.0) > 0)):
        raise CharzError(
            "times are not one rising row of positive numbers: give the pulse widths over τ_D, sorted and "
            "without repeats, because the solution is marched from one to the next"
        )
    if num_cells < 4 or num_cells % 2:
        raise CharzError(
            f"num_cells is {num_cells}: it must be an even number of 4 or more, so that the equator is an edge "
            "between cells"
        )
