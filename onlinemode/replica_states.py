"""Where replicas stand: what a run goes on from, beyond its overlaps.

A checkpoint, the end of a run and the beginning of a run that goes on hold the same thing.  Random
numbers need no state: the number of a step is the counter of its samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from onlinemode.blocks import OVERLAPS, joined, missing_like, shapes_of
from onlinemode.errors import ParameterError
from onlinemode.inputs import Inputs
from onlinemode.resolved_overlaps import ResolvedOverlaps
from onlinemode.state import OrderParameters, Weights

MOST_STEPS = 2**62


def lengths_to_keep(squared_lengths: np.ndarray | None) -> dict[str, np.ndarray]:
    """What the end of a replica holds of the lengths that a constraint keeps.

    Parameters
    ----------
    squared_lengths : array (P,) or None
        |X_p|²/N; None without a constraint.

    Returns
    -------
    dict of arrays
        By their names in a file.
    """
    return {} if squared_lengths is None else {"state_squared_lengths": squared_lengths}


def eigenspace_frames(rows: int, dimensions: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """How the chain lays out the frames of eigenspaces, one after the other.

    Parameters
    ----------
    rows : int
        Of student and teacher, P + M.
    dimensions : int array (L,)
        Of the eigenspaces.
    samples : int
        Of a block, each of which adds a frame vector to each eigenspace where there is room.

    Returns
    -------
    framed : int array (L,)
        Frame vectors of each between two blocks.
    first : int array (L + 1,)
        At which frame vector each begins, and how many there are.
    """
    framed = np.minimum(rows, dimensions)
    return framed, np.concatenate([[0], np.cumsum(framed + np.minimum(samples, dimensions - framed))])


@dataclass(frozen=True, eq=False)
class ReplicaState:
    """Where one replica stands.

    Attributes
    ----------
    alpha : float
        The time, from the beginning of the run.
    overlaps : OrderParameters
        At that time.
    steps : int
        Steps that ``arrays`` have behind them: those up to ``alpha``, or a few less where an engine
        makes steps in blocks (chain).
    arrays : dict of arrays
        What the engine changes, by name.  micro: ``xi_in`` (P, N); chain: ``modes`` in the frame,
        ``strengths``, ``xi_out``, ``readout``, and ``last_modes`` at ``alpha``; leap: ``clock``, its time, that up to
        which there was noise, the length of the next leap, the fastest rate, kicks, halved ones and leaps; ode: nothing
        but the overlaps.
        With a constraint also ``squared_lengths`` (P,), |X_p|²/N at the beginning of the run.  Of a teacher that drifts
        ``mean_T`` (M, M), about which its overlaps fluctuate; of micro ``teacher`` (M, N), of the chain ``directions``
        (frame vectors, r_B).  Of the chain, where the inputs' covariance has several eigenvalues, ``teacher_factor``
        (M, frame vectors), the teacher's components in the frame.
    teacher : array (M, N) or None
        The teacher vectors of micro.
    """

    alpha: float
    overlaps: OrderParameters
    steps: int
    arrays: dict[str, np.ndarray]
    teacher: np.ndarray | None = None

    @property
    def K(self) -> int:
        """Number of hidden units of the student."""
        return self.overlaps.K

    @property
    def M(self) -> int:
        """Number of hidden units of the teacher."""
        return self.overlaps.M

    @property
    def P(self) -> int:
        """Number of modes."""
        return self.overlaps.P

    @property
    def heads(self) -> int | None:
        """Number of readouts of the student, as of OrderParameters."""
        return self.overlaps.heads

    @property
    def tasks(self) -> int | None:
        """Number of readouts of the teacher, as of OrderParameters."""
        return self.overlaps.tasks

    @property
    def mean_T(self) -> np.ndarray:
        """Overlaps (M, M) about which those of a teacher that drifts fluctuate; the present ones where it did not."""
        return np.array(self.arrays.get("mean_T", self.overlaps.T))

    def squared_lengths(self, present: np.ndarray) -> np.ndarray:
        """Squared lengths that a constraint keeps from here on.

        Parameters
        ----------
        present : array (P,)
            Those of the modes now, |X_p|²/N.

        Returns
        -------
        array (P,)
            Those at the beginning of the run; the present ones where it had no constraint.
        """
        return np.array(self.arrays.get("squared_lengths", present))

    def start(self) -> Weights | OrderParameters:
        """The same as a start of a new run.

        Returns
        -------
        Weights or OrderParameters
            Weights where there are vectors.
        """
        if self.teacher is None:
            return self.overlaps
        o = self.overlaps
        return Weights(xi_in=self.arrays["xi_in"], strengths=o.strengths, xi_out=o.xi_out, readout=o.readout,
                       teacher=self.teacher, teacher_readout=o.teacher_readout)


def tells_resolved(state: "ReplicaState | ReplicaStates", inputs: Inputs) -> bool:
    """Whether a state without vectors tells its overlaps by eigenvalue: that of a chain beside a covariance."""
    return state.teacher is None and not inputs.independent and "modes" in state.arrays


def resolved_overlaps_of(state: ReplicaState, inputs: Inputs, N: int | None, batch: int) -> ResolvedOverlaps | None:
    """Where a replica of the chain stands, by eigenvalue of the inputs' covariance.

    Parameters
    ----------
    state : ReplicaState
    inputs : Inputs
    N : int
    batch : int
        Of its problem.

    Returns
    -------
    ResolvedOverlaps or None
        None where its overlaps do not tell.

    Raises
    ------
    ParameterError
        If the state is damaged.
    """
    if N is None or not tells_resolved(state, inputs):
        return None
    eigenvalues, multiplicities = inputs.eigenspaces(N)
    o, P = state.overlaps, state.P
    if "teacher_factor" not in state.arrays:  # one eigenvalue, which has all
        return ResolvedOverlaps(N=N, eigenvalues=eigenvalues, multiplicities=multiplicities, G=o.G[None], S=o.S[None],
                                T=o.T[None], strengths=o.strengths, xi_out=o.xi_out, readout=o.readout,
                                teacher_readout=o.teacher_readout)
    from onlinemode.kernels.chain.markov import rotation_period

    both = np.concatenate([state.arrays["last_modes"], state.arrays["teacher_factor"].T], 1)
    there = np.flatnonzero(eigenvalues)
    for kept in (there, np.arange(len(eigenvalues))):  # those of no variance, too, where there was a sphere
        _, first = eigenspace_frames(both.shape[1], multiplicities[kept], rotation_period(batch)[1])
        if first[-1] == len(both):
            break
    else:
        raise ParameterError(f"a state of the chain must have {first[-1]} vectors in its frame; got {len(both)}: it is "
                             "damaged, start anew")
    parts = [both[begin:end] for begin, end, value in zip(first, first[1:], eigenvalues[kept]) if value > 0.0]
    shares = np.stack([value * part.T @ part for value, part in zip(eigenvalues[there], parts)])
    return ResolvedOverlaps(N=N, eigenvalues=eigenvalues[there], multiplicities=multiplicities[there],
                            G=shares[:, :P, :P], S=shares[:, :P, P:], T=shares[:, P:, P:], strengths=o.strengths,
                            xi_out=o.xi_out, readout=o.readout, teacher_readout=o.teacher_readout)


@dataclass(eq=False)
class ReplicaStates:
    """Where all replicas of a run stand; arrays begin with the axis of the replicas.

    Attributes
    ----------
    alpha : array (replicas,)
        NaN for those that diverged or were never begun.
    overlaps : dict of arrays (replicas, ...)
        G, S, strengths, xi_out and readout at ``alpha``; and T where the teachers drift.
    steps : int array (replicas,)
        Steps that ``arrays`` have behind them, as in :class:`ReplicaState`.
    arrays : dict of arrays (replicas, ...)
        What the engine changes, by name.
    teacher : array (M, N) or None
        The teacher vectors of micro, where they do not drift.
    """

    alpha: np.ndarray
    overlaps: dict[str, np.ndarray]
    steps: np.ndarray
    arrays: dict[str, np.ndarray]
    teacher: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.alpha)

    def one(self, replica: int, initial: OrderParameters) -> ReplicaState:
        """The state of one replica.

        Parameters
        ----------
        replica : int
            Its number, from 0.
        initial : OrderParameters
            Has the teacher's overlaps and readout.

        Returns
        -------
        ReplicaState
            Of that replica alone.
        """
        known = {name: values[replica] for name, values in self.overlaps.items()}
        overlaps = OrderParameters(**{"T": initial.T, "teacher_readout": initial.teacher_readout} | known)
        arrays = {name: values[replica] for name, values in self.arrays.items()}
        return ReplicaState(float(self.alpha[replica]), overlaps, int(self.steps[replica]), arrays,
                            arrays.get("teacher", self.teacher))

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays of a file.

        Parameters
        ----------
        prefix : str
            With which their names begin.

        Returns
        -------
        dict of arrays
            By name.
        """
        named = {"alpha": self.alpha, "steps": self.steps, **self.overlaps}
        named |= {f"state_{name}": values for name, values in self.arrays.items()}
        if self.teacher is not None:
            named["teacher"] = self.teacher
        return {prefix + name: values for name, values in named.items()}

    @classmethod
    def from_arrays(cls, prefix: str, arrays: dict[str, np.ndarray]) -> Self | None:
        """The inverse of :meth:`to_arrays`.

        Parameters
        ----------
        prefix : str
            With which the names begin.
        arrays : dict of arrays
            All of a file.

        Returns
        -------
        ReplicaStates or None
            None where the file holds none.

        Raises
        ------
        ValueError
            If arrays are of different numbers of replicas.
        """
        if f"{prefix}alpha" not in arrays:
            return None
        states = f"{prefix}state_"
        replicas = len(arrays[f"{prefix}alpha"])
        for name, values in arrays.items():
            if name.startswith(prefix) and name != f"{prefix}teacher" and len(values) != replicas:
                raise ValueError(f"{name} is of {len(values)} replicas, not of {replicas}")
        own = ("T",) if f"{prefix}T" in arrays else ()
        return cls(arrays[f"{prefix}alpha"], {name: arrays[prefix + name] for name in (*OVERLAPS, *own)},
                   arrays[f"{prefix}steps"],
                   {name[len(states):]: values for name, values in arrays.items() if name.startswith(states)},
                   arrays.get(f"{prefix}teacher"))

    def check(self, replicas: int, sizes: OrderParameters, N: int | None, teacher_columns: int | None = None) -> None:
        """Refuse states in which replicas of such a run cannot stand.

        Parameters
        ----------
        replicas : int
            How many there are.
        sizes : OrderParameters
            Of these sizes.
        N : int or None
            Number of inputs; None for the mean-field equations.
        teacher_columns : int, optional
            How many numbers the teacher sees; by default N.

        Raises
        ------
        ValueError
            If an array is missing, of another shape or of another kind, or steps go beyond the time.
        """
        K, M, P = sizes.K, sizes.M, sizes.P
        of_engine: dict[str, tuple[int | None, ...]] = {}  # of ode
        if "xi_in" in self.arrays:
            of_engine = {"xi_in": (P, N)}
        elif "clock" in self.arrays:
            of_engine = {"clock": (7,)}
        elif self.arrays:
            of_engine = {"modes": (None, P), "last_modes": (None, P), "strengths": (P,), "xi_out": (K, P),
                         "readout": shapes_of(K, M, P, sizes.heads)["readout"]}
        of_drift = {"mean_T": (M, M), "teacher": (M, N), "directions": (None, None)}
        optional = {"squared_lengths": (P,), "teacher_factor": (M, None), **of_drift}
        of_engine |= {name: shape for name, shape in optional.items() if name in self.arrays}
        if set(self.arrays) != set(of_engine):
            raise ValueError(f"no engine has a state of {', '.join(self.arrays)}")
        needed = {"mean_T", "teacher" if "xi_in" in self.arrays else "directions"}
        if set(self.arrays) & set(of_drift) != (needed if self.arrays and "T" in self.overlaps else set()):
            raise ValueError("a teacher that drifts without all that it goes on from, or one that does not with it")
        shapes = {"alpha": (), "steps": (), "T": (M, M), **shapes_of(K, M, P, sizes.heads), **of_engine}
        kinds = {"steps": (np.int64,), **dict.fromkeys(("xi_in", "teacher"), (np.float32, np.float64))}
        for name, values in {"alpha": self.alpha, "steps": self.steps, **self.overlaps, **self.arrays}.items():
            wanted = (replicas, *shapes[name])
            fits = len(wanted) == values.ndim and all(want in (None, have) for want, have in zip(wanted, values.shape))
            right = values.dtype in kinds.get(name, (np.float64,))
            if not fits or not right:
                raise ValueError(f"{name} of a state must have shape {wanted}; got {values.dtype} of {values.shape}")
        D = N if teacher_columns is None else teacher_columns
        if self.teacher is not None and (self.teacher.shape != (M, D) or self.teacher.dtype.kind != "f"):
            raise ValueError(f"teacher of a state must have shape ({M}, {D}); got {self.teacher.shape}")
        made = np.where(np.isfinite(self.alpha), self.alpha * (N or 0), 0.0)
        if self.arrays and ((self.steps < 0) | (self.steps > made + 0.5) | (made > MOST_STEPS)).any():
            raise ValueError("steps of a state beyond its time")

    @classmethod
    def together(cls, groups: Sequence[Self]) -> Self:
        """The states of several groups of replicas of one run.

        Parameters
        ----------
        groups : sequence of ReplicaStates
            At least one.

        Returns
        -------
        ReplicaStates
            One group after the other.
        """
        first = groups[0]
        times = joined({"alpha": group.alpha, "steps": group.steps} for group in groups)
        return cls(times["alpha"], joined(group.overlaps for group in groups), times["steps"],
                   joined(group.arrays for group in groups), first.teacher)

    def overlaps_alone(self) -> "ReplicaStates":
        """The same states for the mean-field equations, which make no steps.

        Returns
        -------
        ReplicaStates
            Without arrays of an engine.
        """
        return ReplicaStates(self.alpha, self.overlaps, np.zeros_like(self.steps), {})

    def nowhere(self, count: int) -> "ReplicaStates":
        """States of replicas that were never begun.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        ReplicaStates
            With the arrays of these states, and NaN in them.
        """
        times = missing_like({"alpha": self.alpha, "steps": self.steps}, count)
        return ReplicaStates(times["alpha"], missing_like(self.overlaps, count), times["steps"],
                             missing_like(self.arrays, count), self.teacher)

    @classmethod
    def of_rows(cls, alpha: np.ndarray, steps: Sequence[int], paths: dict[str, np.ndarray]) -> Self:
        """The states that the last finite saved times show: overlaps alone.

        Parameters
        ----------
        alpha : array (n,)
            The saved times.
        steps : sequence of int
            Made by each replica.
        paths : dict of arrays (replicas, n, ...)
            G, S, strengths, xi_out and readout; and T where the teachers drift.

        Returns
        -------
        ReplicaStates
            Without arrays of an engine.
        """
        finite = np.isfinite(paths["G"]).all((-2, -1))
        last = np.where(finite.any(1), len(alpha) - 1 - finite[:, ::-1].argmax(1), -1)
        number = np.arange(len(last))
        times = np.where(last >= 0, np.asarray(alpha)[last], np.nan)
        return cls(times, {name: values[number, last] for name, values in paths.items()},
                   np.array(steps[:len(last)], np.int64), {})
