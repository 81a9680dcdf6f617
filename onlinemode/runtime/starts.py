"""The starts of a call's replicas: one for all, one each, or where they stand when a run goes on."""

import numpy as np

from onlinemode.blocks import stacked
from onlinemode.errors import ParameterError
from onlinemode.resolved_overlaps import ResolvedOverlaps
from onlinemode.run_starts import student_arrays
from onlinemode.state import OrderParameters, Weights, attainable


class Starts:
    """The start of every replica: one for all, or made by the user's function when its turn comes.

    Parameters
    ----------
    start : Weights, OrderParameters, ResolvedOverlaps or callable
    inputs : Inputs
        Whose covariance the overlaps of Weights are taken with.

    Attributes
    ----------
    differ : bool
        Whether replicas have starts of their own.
    N : int or None
        Number of inputs, where the starts tell it: they are no OrderParameters.
    vectors : bool
        Whether they are Weights.
    resolved : bool
        Whether they are ResolvedOverlaps.
    first, begun : Weights, OrderParameters or ResolvedOverlaps
        The start of replica 0 as given, and as it is begun from.
    """

    states = None  # of replicas that go on
    steps = 0  # that each replica has behind it
    resolved = False

    def __init__(self, start, inputs):
        self._inputs = inputs
        self.differ = callable(start)
        self._make = start if self.differ else lambda replica: start
        self.first = self.begun = self._checked(0)
        self._dimensions = None
        self.N = getattr(self.first, "N", None)
        self.vectors, self.resolved = isinstance(self.first, Weights), isinstance(self.first, ResolvedOverlaps)
        self._records = {}  # by replica: overlaps, and of Weights recipe and fingerprint

    def in_dimensions(self, N):
        """Begin from overlaps that vectors in N dimensions have, where those given miss them by their rounding."""
        if self.N is None:
            self._dimensions, self.begun = N, attainable(self.first, N)

    def part(self, replicas):
        """The starts of these replicas, remembered for the file."""
        if not self.differ:
            return [self.begun] * len(replicas)
        starts = [self._with_teacher(replica) if replica else self.begun for replica in replicas]
        for replica, start in zip(replicas, starts):
            self._records[replica] = ((student_arrays(start), None, None) if not self.vectors else
                                      (student_arrays(start.order_parameters(self._inputs)), start.origin,
                                       start.fingerprint()))
        return starts

    def complete(self, replicas):
        """Make the starts of those among so many replicas that were never begun: a file knows every start."""
        if self.differ:
            for replica in range(replicas):
                if replica not in self._records:
                    self.part([replica])

    def without_recipe(self):
        """The first replica of several starts whose vectors no recipe makes again; None where there is none."""
        return next((replica for replica in sorted(self._records)
                     if self.vectors and self._records[replica][1] is None), None) if self.differ else None

    def overlaps(self):
        """Order parameters of the start of replica 0."""
        return self.begun if isinstance(self.begun, OrderParameters) else self.begun.order_parameters(self._inputs)

    def arrays(self):
        """What Trajectory.starts holds: None for a common start."""
        if not self.differ:
            return None
        students, _, _ = self._columns()
        return stacked(students)

    def describe(self):
        """The entry ``start`` of a trajectory's meta, from which the run can be repeated."""
        if not self.vectors:
            return {"kind": "resolved" if self.resolved else "overlaps"}
        if self.differ:
            _, origins, fingerprints = self._columns()
            return {"kind": "weights", "origins": origins, "fingerprints": fingerprints}
        return {"kind": "weights", "origin": self.first.origin, "fingerprint": self.first.fingerprint()}

    def _columns(self):
        return ([self._records[replica][column] for replica in sorted(self._records)] for column in range(3))

    def _checked(self, replica):
        start = self._make(replica)
        if not isinstance(start, (Weights, OrderParameters, ResolvedOverlaps)):
            what = f"start({replica})" if self.differ else "start"
            raise ParameterError(f"{what} must be Weights, OrderParameters or ResolvedOverlaps; got "
                                 f"{type(start).__name__}")
        if isinstance(start, ResolvedOverlaps):
            start.check_covariance_of(self._inputs)
        if isinstance(start, Weights):
            self._inputs.check_teacher(start.teacher, start.N)
        if replica:
            self._check_against_first(start, replica)
        return start

    def _with_teacher(self, replica):
        """The start of a later replica, as it is begun from, with the teacher of the first one."""
        start = self._checked(replica)
        if self._dimensions is not None:
            start = attainable(start, self._dimensions)
            if not np.array_equal(start.T, self.begun.T):
                raise ParameterError(f"start({replica}) was rounded: vectors of N = {self._dimensions} would have its "
                                     "overlaps only with another teacher than that of start(0); give these overlaps "
                                     "in double precision, or run the starts one by one")
        return start

    def _check_against_first(self, start, replica):
        first = self.first
        sizes = lambda o: (type(o).__name__, getattr(o, "N", None), o.K, o.M, o.P, o.heads, o.tasks)  # noqa: E731
        if sizes(start) != sizes(first):
            raise ParameterError(f"the starts of all replicas must have one kind and size; start({replica}) is "
                                 f"{_words(*sizes(start))}, start(0) is {_words(*sizes(first))}")
        teacher = "teacher" if self.vectors else "T"
        for name in (teacher, "teacher_readout"):
            if not np.array_equal(getattr(start, name), getattr(first, name)):
                raise ParameterError(f"all replicas must have the same teacher; {name} of start({replica}) differs "
                                     "from that of start(0): draw the student alone anew, as student_seed does")


class GoingOn(Starts):
    """The same for replicas that go on from where they stand.

    Parameters
    ----------
    states : ReplicaStates
        All with the same ``alpha``.
    initial : OrderParameters
        Has the teacher's overlaps and readout.
    N : int or None
    origin : dict, optional
        How the run began that goes on: the entry ``start`` of its meta.
    together : bool, default False
        Whether its replicas began from one start.
    """

    def __init__(self, states, initial, N, origin=None, together=False):
        self.states, self.initial, self._origin, self._together = states, initial, origin, together
        self.differ, self.N, self.vectors = len(states) > 1, N, N is not None
        self.first = states.one(0, initial)
        self.steps = round(self.first.alpha * N) if states.arrays else 0  # ode makes none

    def part(self, replicas):
        return [self.states.one(replica, self.initial) for replica in replicas]

    def without_recipe(self):
        """None: their states are kept."""
        return None

    def complete(self, replicas):
        """All are there."""

    def overlaps(self):
        return self.first.overlaps

    def arrays(self):
        return dict(self.states.overlaps) if self.differ else None

    def describe(self):
        return {"kind": "states", "alpha": self.first.alpha, "origin": self._origin, "together": self._together}


def _words(kind, N, K, M, P, heads, tasks):
    readouts = "".join(f", {count} {name}" for count, name in ((heads, "heads"), (tasks, "tasks")) if count is not None)
    return f"{kind} with {'' if N is None else f'N = {N}, '}K = {K}, M = {M}, P = {P}{readouts}"
