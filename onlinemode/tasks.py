"""Several tasks of one student: which of them a sample is drawn from, and which head answers; docs/theory, section 16.

Light, so that commands can read their options before anything heavy is imported.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.schedule_words import STEPS
from onlinemode.schedules import Schedule, number_or_schedule, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    Number = float | str | Callable | Schedule

__all__ = ["Tasks"]

MOST = 64
NO_SHARE = 1e-300  # shares whose sum is less cannot be divided by it
LOOKS = 1000  # at the shares of a run
MOST_TURNS = 4  # in words
_SEQUENCES = ("shares", "heads", "noise", "flips", "order", "below")
_NUMBERS = {"shares": None, "noise": None, "flips": 0.5}  # of each task, and their largest value


@dataclass(frozen=True)
class Tasks:
    """Tasks that are learned in turn or mixed: each sample is labelled by one of them, drawn at random.

    All tasks have the units of one teacher, the rows of ``Weights.teacher``, and each has a second layer of its own, a
    row of ``teacher_readout``, (tasks, M).

    Parameters
    ----------
    shares : sequence of float, str, callable or Schedule
        Of each task, how often a sample is drawn from it; like a learning rate a share may depend on α.  Divided by
        their sum, which must be positive at all α.
    heads : sequence of int, optional
        Of each task, which row of ``readout``, (heads, K), answers and is trained, from 0.  By default one readout,
        (K,), answers to all.
    noise : sequence of float, str, callable or Schedule, optional
        Of each task, the standard deviation of its label noise; by default that of the problem.
    flips : sequence of float, str, callable or Schedule, optional
        Of each task, the probability that a sign is negated; by default that of the problem.
    order, below, check_every : optional
        Of :meth:`until_known`, which sets them.

    Raises
    ------
    ParameterError
        If there are fewer than two tasks or more than 64, entries that are not one a task, a number out of range, a
        time without any task, or a head that no task has.

    Notes
    -----
    Equations, and what ε_g, forgetting and transfer mean: docs/theory, section 16.
    """

    shares: Sequence["Number"]
    heads: Sequence[int] | None = None
    noise: Sequence["Number"] | None = None
    flips: Sequence["Number"] | None = None
    order: Sequence[int] | None = None
    below: Sequence[float] | None = None
    check_every: float = 1.0

    def __post_init__(self) -> None:
        given = checks.entries(self.shares)
        if given is None or isinstance(self.shares, str) or not 2 <= len(given) <= MOST:
            raise ParameterError(f"shares must be of 2 to {MOST} tasks, such as (1, 1); got "
                                 f"{checks.one_line(self.shares)}")
        for name, maximum in _NUMBERS.items():
            values = self._one_each(name)
            if values is not None:
                words = name.rstrip("s") if name != "noise" else name
                object.__setattr__(self, name, tuple(number_or_schedule(f"{words} of task {task}", each, 0.0, maximum)
                                                     for task, each in enumerate(values)))
        heads = self._one_each("heads")
        if heads is not None:
            heads = tuple(checks.integer("a head", each, 0, len(given) - 1) for each in heads)
            if set(heads) != set(range(max(heads) + 1)):
                raise ParameterError(f"heads must be numbered from 0 without a gap, each with a task; got {heads}")
            object.__setattr__(self, "heads", heads)
        self._check_shares()
        if self.order is not None or self.below is not None:
            self._check_stages()

    def _check_stages(self):
        order, below = checks.entries(self.order), checks.entries(self.below)
        if order is None or below is None or len(below) != len(order) - 1:
            raise ParameterError("until_known needs the order of the tasks, and one error fewer, such as (0, 1) and "
                                 f"(0.01,); got {checks.one_line(self.order)} and {checks.one_line(self.below)}")
        order = tuple(checks.integer("a task", each, 0, self.count - 1) for each in order)
        if self.shares != _one_of(self.count, order[0]):
            raise ParameterError("tasks that wait for an error have no other shares: use Tasks.until_known")
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "below", tuple(checks.number("an error", each, above=0.0) for each in below))
        object.__setattr__(self, "check_every", checks.number("check_every", self.check_every, above=0.0))

    def _one_each(self, name):
        """The entries of a field, as many as there are tasks; None where it is not given."""
        if getattr(self, name) is None:
            return None
        given = checks.entries(getattr(self, name))
        if given is None or isinstance(getattr(self, name), str) or len(given) != len(self.shares):
            raise ParameterError(f"{name} must have an entry a task, {len(self.shares)}; got "
                                 f"{checks.one_line(getattr(self, name))}")
        return given

    def _check_shares(self):
        schedules = [each for each in self.shares if isinstance(each, Schedule)]
        if any(each.function is not None for each in schedules):
            return  # until they are sampled
        for alpha in (0.0, *(alpha for each in schedules for alpha in each.breaks)):
            self._check_share_at(alpha)

    def _check_share_at(self, alpha):
        total = sum(each.value_at(alpha) if isinstance(each, Schedule) else each for each in self.shares)
        if not total > NO_SHARE:
            raise ParameterError(f"a task must have a share at all α; got none at α = {alpha:g}: give shares whose sum "
                                 "is positive")

    def check_until(self, alpha: float) -> None:
        """Refuse shares that all vanish before the end of a run.

        Parameters
        ----------
        alpha : float
            The last one.

        Raises
        ------
        ParameterError
            If they do at one of many times before.
        """
        if any(isinstance(each, Schedule) for each in self.shares):
            for number in range(LOOKS + 1):
                self._check_share_at(alpha * number / LOOKS)

    @classmethod
    def in_turn(cls, order: Sequence[int], until: Sequence[float], heads: Sequence[int] | None = None,
                noise: Sequence["Number"] | None = None, flips: Sequence["Number"] | None = None) -> Self:
        """Tasks one after the other.

        Parameters
        ----------
        order : sequence of int
            Numbers of the tasks, from 0, in the order in which they are learned; (0, 1, 0) comes back to the first.
        until : sequence of float
            The α at which each of them but the last one ends.
        heads, noise, flips : sequence, optional
            As of the class.

        Returns
        -------
        Tasks
            With shares of 0 and 1.

        Raises
        ------
        ParameterError
            If the order has a gap, or times are not ascending and one fewer than its entries.
        """
        given, times = checks.entries(order), checks.entries(until)
        if given is None or times is None or len(times) != len(given) - 1:
            raise ParameterError("in_turn needs the order of the tasks, and one time fewer, such as (0, 1) and (50,); "
                                 f"got {checks.one_line(order)} and {checks.one_line(until)}")
        order = _numbered(order)
        times = [checks.number("a time", alpha, above=0.0) for alpha in times]
        if any(later <= earlier for earlier, later in zip(times, times[1:])):
            raise ParameterError("tasks must end one after the other, at ascending times; got "
                                 f"{', '.join(f'{each:g}' for each in times)}")
        shares = [Schedule.steps(float(order[0] == task), {alpha: float(now == task)
                                                           for alpha, now in zip(times, order[1:])}) if times else 1.0
                  for task in range(max(order) + 1)]
        return cls(shares, heads, noise, flips)

    @classmethod
    def with_replay(cls, begin: float, period: float, length: float, until: float,
                    heads: Sequence[int] | None = None, noise: Sequence["Number"] | None = None,
                    flips: Sequence["Number"] | None = None) -> Self:
        """Two tasks in turn, of which the first comes back for a while in every period.

        Parameters
        ----------
        begin : float
            The α at which the second task begins.
        period : float
            From then on, a unit of time in α ...
        length : float
            ... at whose end the first task is replayed for so long.
        until : float
            The last α of the run, up to which there are periods; at the end of the last one the first task stays.
        heads, noise, flips : sequence, optional
            As of the class.

        Returns
        -------
        Tasks
            With shares of 0 and 1.

        Raises
        ------
        ParameterError
            If times are out of range.
        """
        begin = checks.number("begin", begin, above=0.0)
        period = checks.number("period", period, above=0.0)
        length = checks.number("length", length, above=0.0)
        if length >= period:
            raise ParameterError(f"length must be below the period, {period:g}, or the second task is never taught; "
                                 f"got {length:g}")
        until = checks.number("until", until, above=begin)
        count = int((until - begin) / period) + 1
        if count > 100_000:
            raise ParameterError(f"there are {count:,} periods of {period:g}, and at most 100,000 can be written down")
        order, times = [0], []
        for number in range(count):
            start = begin + number * period
            times += [start, start + period - length]
            order += [1, 0]
        return cls.in_turn(order, times, heads, noise, flips)

    @classmethod
    def until_known(cls, order: Sequence[int], below: float | Sequence[float], check_every: float = 1.0,
                    heads: Sequence[int] | None = None, noise: Sequence["Number"] | None = None,
                    flips: Sequence["Number"] | None = None) -> Self:
        """Tasks one after the other, each until its own ε_g falls below a level.

        ``run.switched_at`` has the times.

        Parameters
        ----------
        order : sequence of int
            Numbers of the tasks, from 0, in the order in which they are learned.
        below : float or sequence of float
            Level of each of them but the last one, or one for all.
        check_every : float, default 1
            Unit of α after which micro, chain and leap look; the chain then ends a block of at most four steps.  ode
            switches at the level itself.
        heads, noise, flips : sequence, optional
            As of the class.

        Returns
        -------
        Tasks
            Whose shares are those of the first one.

        Raises
        ------
        ParameterError
            If the order has a gap, or levels are not positive and one fewer than its entries.
        """
        order = _numbered(order)
        levels = checks.entries(below) or [below] * (len(order) - 1)
        return cls(_one_of(max(order) + 1, order[0]), heads, noise, flips, tuple(order), tuple(levels), check_every)

    @property
    def stages(self) -> int:
        """How many turns there are that wait for an error, the last one included; 1 where none does."""
        return 1 if self.order is None else len(self.order)

    def stage(self, number: int) -> Self:
        """The tasks of one of these turns.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        Tasks
            With shares of 0 and 1, that wait for nothing.
        """
        if self.order is None:
            return self
        return replace(self, shares=_one_of(self.count, self.order[number]), order=None, below=None)

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return len(self.shares)

    @property
    def head_count(self) -> int | None:
        """How many heads there are; None where one readout answers to all tasks."""
        return None if self.heads is None else max(self.heads) + 1

    @property
    def switches(self) -> tuple[float, ...]:
        """Where a share jumps, ascending values of α; of functions after they are sampled."""
        return tuple(sorted({jump for each in self.shares if isinstance(each, Schedule) for jump in each.jumps}))

    def first_left(self, task: int) -> float | None:
        """When a task is taught no longer for the first time.

        Parameters
        ----------
        task : int
            Its number, from 0.

        Returns
        -------
        float or None
            The switch at which its share falls to 0; None where there is none.

        Raises
        ------
        ParameterError
            If there is no such task.
        """
        share = self.shares[checks.integer("task", task, 0, self.count - 1)]
        if not isinstance(share, Schedule):
            return None
        return next((jump for jump in share.jumps
                     if share.value_at(jump) <= 0.0 < share.value_at(math.nextafter(jump, 0.0))), None)

    @property
    def words(self) -> str:
        """Whose turn it is, or the shares, on a line; then heads and noise, where tasks have their own."""
        shown = [self._turns or "shares " + _listed(self.shares)]
        if self.heads is not None:
            own = tuple(self.heads) == tuple(range(self.count))
            shown.append("a head each" if own else f"heads {', '.join(map(str, self.heads))}")
        shown += [f"{name} {_listed(values)}" for name, values in (("noise", self.noise), ("flips", self.flips))
                  if values is not None]
        return ", ".join(shown)

    @property
    def turns(self) -> tuple[int, ...] | None:
        """Which task has all samples from 0 and from each of ``switches`` on; None where tasks are mixed or wait."""
        if self.order is not None or any(isinstance(each, Schedule) and each.kind != STEPS for each in self.shares):
            return None
        turns = []
        for alpha in (0.0, *self.switches):
            now: list[Any] = [each.value_at(alpha) if isinstance(each, Schedule) else each for each in self.shares]
            if sum(share > 0.0 for share in now) != 1:
                return None
            turns.append(now.index(max(now)))
        return tuple(turns)

    @property
    def _turns(self):
        """In words where one task after the other has all samples; else None."""
        if self.order is not None and self.below is not None:
            return _one_after_the_other(self.order, [f"ε_{task} < {level:g}"
                                                     for task, level in zip(self.order, self.below)])
        turns = self.turns
        if turns is None or len(turns) == 1:
            return None
        return _one_after_the_other(turns, [f"α = {alpha:g}" for alpha in self.switches])

    def numbers(self, noise: "Number", flips: "Number") -> "dict[str, Number]":
        """All that may depend on α, by name: the share of each task, then its noise, then its flips.

        Parameters
        ----------
        noise, flips : float or Schedule
            Of the problem, which tasks have that have none of their own.

        Returns
        -------
        dict
            Of 3 numbers a task.
        """
        given: dict[str, Sequence[Number]] = {"shares": self.shares, "noise": self.noise or (noise,) * self.count,
                                              "flips": self.flips or (flips,) * self.count}
        return {f"{name} {task}": each for name, values in given.items() for task, each in enumerate(values)}

    def changed(self, change: "Callable[[str, Schedule], float | Schedule]") -> Self:
        """The same tasks with other numbers in place of their schedules.

        Parameters
        ----------
        change : callable
            Of a name of :attr:`numbers` and a schedule.

        Returns
        -------
        Tasks
            What is constant stays as it is.
        """
        given = {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}
        made: dict[str, Any] = {name: tuple(change(f"{name} {task}", each) if isinstance(each, Schedule) else each
                                            for task, each in enumerate(values)) for name, values in given.items()}
        return replace(self, **made)

    def to_plain(self) -> dict[str, Any]:
        """All fields that are given, as they are saved.

        Returns
        -------
        dict
            Of lists.
        """
        values = {name: getattr(self, name) for name in _SEQUENCES}
        plain: dict[str, Any] = {name: [to_plain(each) for each in value] for name, value in values.items()
                                 if value is not None}
        return plain | ({} if self.order is None else {"check_every": self.check_every})

    @classmethod
    def from_plain(cls, saved: Any) -> Self:
        """The inverse of :meth:`to_plain`.

        Parameters
        ----------
        saved : Tasks or dict
            Tasks as they are, or what was saved of them.

        Returns
        -------
        Tasks
            Equal to those that were saved.

        Raises
        ------
        ParameterError
            If it is neither.
        """
        if isinstance(saved, cls):
            return saved
        if not isinstance(saved, Mapping) or not {"shares"} <= set(saved) <= {*_SEQUENCES, "check_every"}:
            raise ParameterError(f"tasks must be a Tasks, such as Tasks(shares=(1, 1)); got {checks.one_line(saved)}")
        return cls(**saved)


def _one_of(count, task):
    """Shares where all samples are of one task."""
    return tuple(float(each == task) for each in range(count))


def _numbered(order):
    """Numbers of tasks that have no gap."""
    given = checks.entries(order)
    if not given:
        raise ParameterError(f"the order of tasks must be their numbers, such as (0, 1); got {checks.one_line(order)}")
    order = [checks.integer("a task", each, 0, MOST - 1) for each in given]
    if set(order) != set(range(max(order) + 1)):
        raise ParameterError(f"tasks must be numbered from 0 without a gap; got {order}")
    return order


def _listed(values):
    return "; ".join(f"{each:g}" for each in values)


def _one_after_the_other(turns, places):
    """In words, with what begins each turn but the first."""
    later = [f"from {place} on {task}" for place, task in zip(places, turns[1:])]
    more = [f"and so on, {len(later)} switches"] if len(later) > MOST_TURNS else []
    return ", ".join([f"task {turns[0]}", *later[:MOST_TURNS], *more])
