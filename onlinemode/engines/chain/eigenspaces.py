"""Starts of the chain by the eigenspaces of the inputs' covariance: docs/theory, section 18.6."""

import dataclasses
from functools import cached_property

import numpy as np

from onlinemode.blocks import FACTORS
from onlinemode.errors import EngineError, ParameterError
from onlinemode.replica_states import ReplicaState, eigenspace_frames
from onlinemode.resolved_overlaps import ResolvedOverlaps, components_of
from onlinemode.state import Weights
from onlinemode.theory.spectral import EXACT, Shares, eigenspace_of
from onlinemode.theory.spectral_groups import groups_of, members_of


class Decomposition:
    """A covariance of few eigenvalues by its eigenspaces.

    Parameters
    ----------
    inputs : Inputs
    N : int
    with_all : bool
        Also keep directions of no variance.

    Attributes
    ----------
    eigenvalues : array (L,)
        Ascending.
    sizes : int array (L,)
        Dimensions of the eigenspaces.
    """

    def __init__(self, inputs, N, with_all):
        eigenvalues, sizes = inputs.eigenspaces(N)
        self._kept = np.arange(len(sizes)) if with_all else np.flatnonzero(eigenvalues)
        self.eigenvalues, self.sizes = eigenvalues[self._kept], sizes[self._kept]
        self._inputs, self._N = inputs, N

    @property
    def isotropic(self):
        """Whether the covariance is I."""
        return len(self.eigenvalues) == 1 and abs(self.eigenvalues[0] - 1.0) < EXACT

    @property
    def vectors(self):
        """Eigenvectors as columns, (N, N); None where the coordinates are an eigenbasis."""
        return self._eigenbasis[1]

    @cached_property
    def coordinates(self):
        """L bool arrays (N,): the coordinates of each eigenspace."""
        space = eigenspace_of(self._eigenbasis[0])
        return [space == number for number in self._kept]

    @cached_property
    def _eigenbasis(self):
        return self._inputs.eigenbasis(self._N)


def decomposition_of(problem, N):
    """The decomposition of the covariance of the inputs of a problem; None where it is I.

    Raises
    ------
    EngineError
        If the teacher drifts beside it.
    """
    inputs = problem.inputs
    if inputs.independent:
        return None
    # directions without a field count for the lengths that a constraint keeps, and for nothing else
    found = Decomposition(inputs, N, with_all=problem.constraint is not None)
    if found.isotropic:
        return None
    if problem.drifts:
        raise EngineError(f"a teacher that drifts needs inputs with independent entries; got {inputs!r}: take "
                          "Gaussian(), or leave drift out")
    return found


class EigenspaceStart:
    """The factors of a start in each eigenspace of Ω: X Π_l/√N = L_XB O_B + L_X O_X, B Π_l/√N = L_B O_B.

    As :class:`onlinemode.engines.chain.engine.ChainStart`, whose attributes it has where they are not listed.

    Parameters
    ----------
    start : Weights, ResolvedOverlaps or ReplicaState
    decomposition : Decomposition
    problem : Problem
    N : int

    Attributes
    ----------
    modes : array (frame vectors, P)
        [L_XB, L_X]ᵀ of each eigenspace, with zeros where a block of samples adds frame vectors.
    teacher : array (M, frame vectors)
        L_B of each.
    teacher_factor : array (M, frame vectors)
        The same in units of the normals behind the fields: T is its product with itself.

    Raises
    ------
    EngineError
        If the start does not tell how its overlaps are shared among the eigenvalues.
    ParameterError
        If a state is damaged.
    """

    r_B = 0  # of one frame; there are several here

    def __init__(self, start, decomposition, problem, N):
        from onlinemode.kernels.chain.markov import rotation_period

        self.decomposition, self.N = decomposition, N
        if not isinstance(start, (Weights, ResolvedOverlaps, ReplicaState)):
            raise EngineError("engine chain needs the weight vectors where inputs have a covariance, since overlaps do "
                              f"not tell how they are shared among its eigenvalues; got {type(start).__name__} and "
                              f"{problem.inputs!r}: start from Weights, or ResolvedOverlaps")
        M, P, sizes = start.M, start.P, decomposition.sizes
        _, samples = rotation_period(problem.batch)
        self.spans_teacher = np.minimum(M, sizes)
        self.framed, self.first = eigenspace_frames(M + P, sizes, samples)
        self.dof = sizes - self.framed
        self.deviations = np.repeat(np.sqrt(decomposition.eigenvalues), np.diff(self.first))
        if isinstance(start, ReplicaState):
            self._go_on(start, problem)
        elif isinstance(start, ResolvedOverlaps):
            self._begin(start, problem.inputs, components_of(start))
        else:
            self._begin(start, problem.inputs, self._components(start))
        self.mean_T = self.overlaps.T
        self.teacher_factor = self.teacher * self.deviations

    def _components(self, weights):
        """[B Π_l; X Π_l]ᵀ/√N in an orthonormal frame of each eigenspace, teacher first: triangles."""
        vectors = np.concatenate([weights.teacher, weights.xi_in]) / np.sqrt(self.N)
        if self.decomposition.vectors is not None:
            vectors = vectors @ self.decomposition.vectors
        for coordinates in self.decomposition.coordinates:
            yield np.linalg.qr(vectors[:, coordinates].T, mode="r")

    def _begin(self, start, inputs, components):
        self.overlaps = self.factors = start.order_parameters(inputs)
        self.first_step = 0
        self.modes, self.teacher = np.zeros((self.first[-1], start.P)), np.zeros((start.M, self.first[-1]))
        for triangle, rows in zip(components, self._frames()):
            self.teacher[:, rows] = triangle[:, :start.M].T
            self.modes[rows] = triangle[:, start.M:]
        self.squared_lengths = (self.modes**2).sum(0)

    def _go_on(self, state, problem):
        constrained = "squared_lengths" in state.arrays
        if constrained != (problem.constraint is not None) and not np.all(problem.inputs.eigenspaces(self.N)[0]):
            raise ParameterError("a chain knows components of modes along directions of no variance under a constraint "
                                 f"alone, so it goes on as it began, {'with' if constrained else 'without'} one; got "
                                 f"constraint = {problem.constraint!r} and {problem.inputs!r}: start anew from "
                                 f"{'run.final, with another seed' if constrained else 'Weights'}")
        self.overlaps, self.modes = state.overlaps, state.arrays["modes"]
        self.teacher = state.arrays.get("teacher_factor")
        if len(self.modes) != self.first[-1] or np.shape(self.teacher) != (state.M, self.first[-1]):
            raise ParameterError(f"a state of the chain must have {self.first[-1]} vectors in its frame, and the "
                                 "components of its teacher; it is damaged, start anew")
        self.first_step = state.steps
        self.squared_lengths = state.squared_lengths((self.modes**2).sum(0))
        self.factors = dataclasses.replace(state.overlaps, **{name: state.arrays[name] for name in FACTORS})

    def _frames(self):
        """Which rows of ``modes`` are the frame of each eigenspace between two blocks."""
        return [slice(first, first + framed) for first, framed in zip(self.first, self.framed)]

    def frame_vectors(self, samples):
        """How many there are within a block."""
        return self.first[-1]

    def fits_constants(self, samples):
        """Whether the kernel for these sizes takes it."""
        return True

    def frame(self):
        """What the kernel knows of the frame."""
        from onlinemode.kernels.chain.eigenspaces import Eigenspaces
        from onlinemode.kernels.chain.markov import Frame

        deviations = np.sqrt(self.decomposition.eigenvalues)
        return Frame(self.teacher, 0, 0, Eigenspaces(deviations, self.first, self.spans_teacher, self.framed, self.dof))

    def in_fields(self, modes):
        """Modes (..., frame vectors, P) in units of the normals behind the fields: G is their product."""
        return modes * self.deviations[:, np.newaxis]

    def between_blocks(self, modes):
        """Modes (frame vectors, P) in a frame that is rotated as between two blocks."""
        rotated = np.zeros_like(modes)
        for space, framed in enumerate(self._frames()):
            whole = slice(self.first[space], self.first[space + 1])
            along = framed.start + self.spans_teacher[space]
            rotated[framed.start:along] = modes[framed.start:along]
            rotated[along:framed.stop] = np.linalg.qr(modes[along:whole.stop], mode="r")
        return rotated

    def to_keep(self):
        """Arrays that a state holds besides those that the kernel changes."""
        return {"teacher_factor": self.teacher}

    def groups(self, most):
        """Few groups of neighbouring eigenvalues, and which eigenspaces are in each.

        Parameters
        ----------
        most : int
            Largest number of groups.

        Returns
        -------
        groups : EigenvalueGroups
        spaces : list of int arrays
            Numbers of eigenspaces; those of no variance are in none.
        """
        eigenvalues, sizes = self.decomposition.eigenvalues, self.decomposition.sizes
        members = members_of(eigenvalues, most, sizes)
        spaces = [np.flatnonzero(members == group) for group in range(members.max() + 1)]
        T = np.stack([self.shares(self.modes).T[own].sum(0) for own in spaces])
        return groups_of(eigenvalues, members, T, sizes, self.N), spaces

    def of_groups(self, modes, spaces):
        """G (..., R, P, P) and S (..., R, P, M) of groups of eigenspaces at modes (..., frame vectors, P)."""
        shares = self.shares(modes)
        return tuple(np.stack([each[..., own, :, :].sum(-3) for own in spaces], -3) for each in (shares.G, shares.S))

    def shares(self, modes):
        """The overlaps resolved by eigenvalues.

        Parameters
        ----------
        modes : array (..., frame vectors, P)

        Returns
        -------
        Shares
            With G (..., L, P, P) and S (..., L, P, M) of all these states.
        """
        fields, teacher = self.in_fields(modes), self.teacher_factor
        parts = [slice(*ends) for ends in zip(self.first, self.first[1:])]
        columns, eigenvalues = np.swapaxes(fields, -1, -2), self.decomposition.eigenvalues
        return Shares(eigenvalues, eigenvalues * self.decomposition.sizes / self.N,
                      np.stack([columns[..., part] @ fields[..., part, :] for part in parts], -3),
                      np.stack([columns[..., part] @ teacher[:, part].T for part in parts], -3),
                      np.stack([teacher[:, part] @ teacher[:, part].T for part in parts]), True)
