"""Starts resolved by the eigenvalues of the inputs' covariance, for engine ode: docs/theory, section 18."""

from typing import NamedTuple

import numpy as np

from onlinemode.errors import EngineError
from onlinemode.replica_states import ReplicaState, resolved_overlaps_of
from onlinemode.resolved_overlaps import ResolvedOverlaps, shares_of
from onlinemode.state import Weights
from onlinemode.theory.meanfield import generalization_error, task_errors
from onlinemode.theory.spectral import Shares, at_nodes, effective_teacher, resolve
from onlinemode.theory.spectral_groups import (
    EigenvalueGroups,
    groups_at_nodes,
    groups_of,
    members_of,
    require_covariance,
    resolve_groups,
)

MORE_NODES = 8  # of the interpolation that a run is checked with
TIMES = 200  # at which the learning rate is looked at for its largest value
NOTHING = 1e-6  # of ε_g at the start: below it a relative error says nothing


class Resolution(NamedTuple):
    """A start resolved by the eigenvalues of the inputs' covariance.

    ``shares`` is None where there is nothing to resolve; ``groups`` unless overlaps by group were asked for, and then
    ``first`` (R,) says where the shares of each group begin.
    """

    shares: Shares | None
    groups: EigenvalueGroups | None = None
    first: np.ndarray | None = None

    def overlaps(self, layout, states):
        """G (n, R, P, P) and S (n, R, P, M) of the groups at states (n, size); None without groups."""
        if self.groups is None:
            return None
        if self.shares is None:  # one group of all directions
            G, S, *_ = layout.unpack(states)
            return G[:, None], S[:, None]
        return layout.unpack_groups(states, self.first)


def resolution_of(start: Weights | ResolvedOverlaps | ReplicaState, problem, count: int | None, alpha: float,
                  most_groups: int | None = None, more: int = 0, N: int | None = None) -> Resolution:
    """How a start is resolved: at ``count`` nodes and ``more``; with ``most_groups`` so many in each.

    ``N`` is that of a replica that goes on.

    Raises
    ------
    EngineError
        If the start does not tell how its overlaps are shared among the eigenvalues of the covariance, or these cannot
        be had.
    """
    found = _resolution_of(start, problem, count, alpha, most_groups, more, N)
    if found.shares is None or problem.constraint is None:
        return found
    return found._replace(shares=found.shares._replace(squares=_squared_lengths(start, problem, N)))


def _squared_lengths(start, problem, N):
    """|X_p|²/N, which a constraint keeps, (P,)."""
    known = start
    if isinstance(start, ReplicaState):
        known = resolved_overlaps_of(start, problem.inputs, N, problem.batch) or start.start()
    if isinstance(known, ResolvedOverlaps):
        if known.multiplicities.sum() < N and "squared_lengths" not in getattr(start, "arrays", ()):
            raise EngineError("lengths on a sphere count directions of no variance, too, not in a chain without it; "
                              f"got {problem.inputs!r}: begin with the constraint")
        present = (np.diagonal(known.G, axis1=1, axis2=2) / known.eigenvalues[:, None]).sum(0)
    else:
        present = np.mean(np.square(known.xi_in, dtype=np.float64), 1)
    return start.squared_lengths(present) if isinstance(start, ReplicaState) else present


def _resolution_of(start, problem, count, alpha, most_groups, more, N):
    inputs = problem.inputs
    if most_groups is not None:
        require_covariance(inputs)
    if inputs.independent:
        return Resolution(None)
    advice = "start from Weights, or ResolvedOverlaps"
    if isinstance(start, ReplicaState):
        start = resolved_overlaps_of(start, inputs, N, problem.batch) or start.start()
        advice = "make the run that goes on with store_final=True"
    rate = float(problem.numbers_at(np.linspace(0.0, alpha, TIMES))[:, 0].max())
    if isinstance(start, ResolvedOverlaps):
        return _of_shares(shares_of(start), start, count, rate, alpha, most_groups, more)
    if not isinstance(start, Weights):
        raise EngineError("engine ode needs the weight vectors where inputs have a covariance, since overlaps do not "
                          f"tell how they are shared among its eigenvalues; got {type(start).__name__} and "
                          f"{inputs!r}: {advice}")
    eigenvalues, vectors = inputs.eigenbasis(start.N)
    modes, teacher = start.xi_in, start.teacher
    if not inputs.sees_inputs:
        teacher = inputs.teacher_moments(teacher, start.N).image
    if vectors is not None:
        modes, teacher = (_products(rows, vectors.T) for rows in (modes, teacher))
    if not inputs.sees_inputs:
        teacher = effective_teacher(teacher, eigenvalues)
    if most_groups is None:
        shares = resolve(modes, teacher, eigenvalues, count, rate, alpha, more)
        return Resolution(None if shares.isotropic and inputs.sees_inputs else shares)
    members = members_of(eigenvalues, most_groups)
    shares, first = resolve_groups(modes, teacher, eigenvalues, members, count, rate, alpha, more)
    groups = groups_of(eigenvalues, members, np.add.reduceat(shares.T, first, 0))
    return Resolution(None if shares.isotropic and inputs.sees_inputs else shares, groups, first)


def _of_shares(shares, start, count, rate, alpha, most_groups, more):
    """The same of overlaps that are resolved by all eigenvalues."""
    if most_groups is None:
        return Resolution(None if shares.isotropic else at_nodes(shares, count, rate, alpha, more))
    members = members_of(start.eigenvalues, most_groups, start.multiplicities)
    parts, first = groups_at_nodes(shares, members, count, rate, alpha, more)
    T = np.stack([start.T[members == group].sum(0) for group in range(members.max() + 1)])
    groups = groups_of(start.eigenvalues, members, T, start.multiplicities, start.N)
    return Resolution(None if shares.isotropic else parts, groups, first)


def _products(rows, others):
    from onlinemode.kernels.micro.inputs import add_products

    out = np.zeros((len(rows), len(others)))
    add_products(np.ascontiguousarray(rows), np.ascontiguousarray(others), out, False)
    return out


def largest_deviation(problem, overlaps, one, other):
    """The largest relative deviation of ε_g, or of that of any task, between two paths (G, S, strengths, ...)."""
    if problem.tasks is not None:
        return _largest(*(task_errors(problem, G, S, overlaps.T, strengths, xi_out, readout, overlaps.teacher_readout)
                          for G, S, strengths, xi_out, readout in (one, other)))
    first, second = (generalization_error(problem.activation, G, S, overlaps.T, strengths, xi_out, readout,
                                          overlaps.teacher_readout, problem.teacher_activation)
                     for G, S, strengths, xi_out, readout in (one, other))
    return _largest(first, second)


def _largest(first, second):
    known = np.isfinite(first) & np.isfinite(second) & (first > NOTHING * first[0])
    return float(np.max(np.abs(second[known] / first[known] - 1.0), initial=0.0))
