"""What is learned and how: the learning problem, without any size."""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from onlinemode import checks
from onlinemode.activations import Activation, activation_of, from_plain, word_or_value
from onlinemode.errors import ParameterError
from onlinemode.inputs import Gaussian, Inputs, check_inputs
from onlinemode.inputs import from_dict as inputs_from_dict
from onlinemode.losses import LABELS, REAL, SQUARED, Loss, loss_of
from onlinemode.schedules import Schedule, number_or_schedule, to_plain
from onlinemode.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike

    from onlinemode.kernels.rule.step import Rule

    Number = float | str | Callable | Schedule

MAX_BATCH = 10**9
MAX_DRIFT_EVERY = 10**9
# Not in files of older versions, nor where they are usual.
_LATER = ("loss", "labels", "flips", "constraint", "dropout", "mode_dropout", "tasks", "drift", "drift_every")
CONSTRAINTS = ("sphere",)
_RATES = ("xi_in", "strengths", "xi_out", "readout")
_OTHERS = {"noise": None, "weight_decay": None, "flips": 0.5,  # numbers that may be schedules, and their largest value
           "dropout": 1.0, "mode_dropout": 1.0}
_COUNT = len(_RATES) + len(_OTHERS)  # of numbers, before those of tasks


@dataclass(frozen=True)
class LearningRates:
    """Learning rates of the four factors of the student; 0 leaves a factor untrained.

    Each is a number, or a function of α: a :class:`Schedule`, a word such as "power:3,10,-1", or a Python function of
    an array.

    Parameters
    ----------
    xi_in : float, str, callable or Schedule, default 0
        Of the input modes X (P×N), η.
    strengths : float, str, callable or Schedule, default 0
        Of the mode strengths s (P), η_s.
    xi_out : float, str, callable or Schedule, default 0
        Of the output modes A (K×P), η_A.
    readout : float, str, callable or Schedule, default 0
        Of the second layer v (K), η_v.

    Raises
    ------
    ParameterError
        If a rate is negative, NaN or infinite, at any α.

    Notes
    -----
    One step changes X by η/√N and s, A, v by their rates over N (docs/theory, section 1.2), so
    all four act on the same time scale α = steps/N.
    """

    xi_in: "Number" = 0.0
    strengths: "Number" = 0.0
    xi_out: "Number" = 0.0
    readout: "Number" = 0.0

    def __post_init__(self) -> None:
        for name in _RATES:
            object.__setattr__(self, name, number_or_schedule(f"learning rate {name}", getattr(self, name)))


@dataclass(frozen=True)
class Problem:
    """A student that learns from a teacher, one fresh sample (or mini-batch) a step.

    Parameters
    ----------
    activation : str or Activation, default "erf"
        Of both networks, g: a word such as "erf", which is erf(z/√2), "relu", "he:3" or "poly:0,0,1", or an
        :class:`Activation`; kept as its word where it has one.  Capitals do not count.
    noise : float, str, callable or Schedule, default 0
        Standard deviation σ of the Gaussian label noise (not its variance); like a learning rate it may depend on α.
    weight_decay : float, str, callable or Schedule, default 0
        Decay κ of the input modes: X <- (1 − κ/N) X in each step.
    batch : int, default 1
        Samples a step, at most 10^9; their gradients are averaged and α stays steps/N.
    rates : LearningRates, default LearningRates()
        Which factors are trained, and how fast; by default none.
    inputs : Inputs, default Gaussian()
        What an input x is: one of the classes of ``onlinemode.inputs``.
    teacher_activation : str or Activation, optional
        Of the teacher, where it is not that of the student; also one with jumps, such as "sign".
    loss : str or Loss, default "squared"
        Of one sample, whose gradient is followed: a word such as "squared", "logistic", "hinge:0.5" or "huber", which
        is kept, or an :class:`onlinemode.losses.Loss`.
    labels : {"real", "sign"}, default "real"
        What a student is told: what the teacher says, with its noise, or the sign of that.
    flips : float, str, callable or Schedule, default 0
        Probability q ≤ 1/2 that a sign is negated.
    constraint : {"sphere"}, optional
        "sphere": after each step every input mode is scaled back to the length that it had at the start of the run.
    dropout : float, str, callable or Schedule, default 0
        Probability that a sample leaves a hidden unit of the student out.  ε_g is that of the whole student, whose
        second layer is then multiplied by 1 − dropout.
    mode_dropout : float, str, callable or Schedule, default 0
        The same of a mode, whose strength is multiplied.
    tasks : Tasks, optional
        Which task teaches when, where there are several; by default there is one.
    drift : float, default 0
        Rate δ ≥ 0 at which the directions of the teacher drift, a number: their overlaps with what they were decay as
        exp(−δα), and those with each other stay what they are, up to fluctuations of order 1/√N.
    drift_every : int, default 1
        Steps between two moves of a drifting teacher, at most 10^9, each of which is larger for that: the fewer there
        are, the faster is micro.

    Raises
    ------
    ParameterError
        If a value is out of range, an activation or the loss is unknown, the activation of the student has jumps, or
        the loss or flips need labels that are signs.  A drift is no schedule.

    Notes
    -----
    Symbols and the step of learning: docs/theory, sections 1.1 and 1.2; schedules: section 14; drift: section 17.
    """

    activation: str | Activation = "erf"
    noise: "Number" = 0.0
    weight_decay: "Number" = 0.0
    batch: int = 1
    rates: LearningRates = field(default_factory=LearningRates)
    inputs: Inputs = Gaussian()
    teacher_activation: str | Activation | None = None
    loss: str | Loss = SQUARED
    labels: str = REAL
    flips: "Number" = 0.0
    constraint: str | None = None
    dropout: "Number" = 0.0
    mode_dropout: "Number" = 0.0
    tasks: Tasks | None = None
    drift: float = 0.0
    drift_every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", word_or_value(self.activation))
        if self.teacher_activation is not None:
            other = word_or_value(self.teacher_activation, "teacher_activation")
            object.__setattr__(self, "teacher_activation", None if other == self.activation else other)
        if not self.activations[0].continuous:
            raise ParameterError(f"a student cannot learn with {self.activation}, which has jumps, by the gradient of "
                                 "its error: give it to the teacher alone (teacher_activation), and the student "
                                 "another one, such as erf")
        for name, maximum in _OTHERS.items():
            object.__setattr__(self, name, number_or_schedule(name, getattr(self, name), 0.0, maximum))
        object.__setattr__(self, "batch", checks.integer("batch", self.batch, 1, MAX_BATCH))
        object.__setattr__(self, "drift", checks.number("drift", self.drift, 0.0))
        object.__setattr__(self, "drift_every", checks.integer("drift_every", self.drift_every, 1, MAX_DRIFT_EVERY))
        if not isinstance(self.rates, LearningRates):
            raise ParameterError("rates must be a LearningRates, such as LearningRates(xi_in=1.0); got "
                                 f"{checks.one_line(self.rates)}")
        check_inputs(self.inputs)
        if self.tasks is not None:
            object.__setattr__(self, "tasks", Tasks.from_plain(self.tasks))
        self._check_labels()
        if self.constraint is not None:
            object.__setattr__(self, "constraint", checks.choice("constraint", self.constraint, CONSTRAINTS))

    def _check_labels(self):
        loss = loss_of(self.loss)
        object.__setattr__(self, "loss", loss.word)
        object.__setattr__(self, "labels", checks.choice("labels", self.labels, LABELS))
        if self.labels == REAL and loss.of_signs:
            raise ParameterError(f"the loss {loss} needs labels that are signs: give labels = 'sign', or another loss")
        if self.stages > 1 and (self.labels != REAL or loss.word != SQUARED):
            raise ParameterError("tasks wait for ε_g, the squared error of real labels, which another loss or labels "
                                 "that are signs do not make small: give times (Tasks.in_turn)")
        flips = (self.flips, *(() if self.tasks is None else self.tasks.flips or ()))
        if self.labels == REAL and any(each != 0.0 for each in flips):
            raise ParameterError("only labels that are signs are flipped: give labels = 'sign' with flips, or noise")

    @property
    def trains(self) -> bool:
        """Whether a step changes anything: a learning rate, the weight decay or the drift of the teacher is not 0."""
        return self.weight_decay != 0.0 or self.drift != 0.0 or any(rate != 0.0 for rate in vars(self.rates).values())

    @property
    def numbers(self) -> "dict[str, float | Schedule]":
        """All that may depend on α, by name: the rates of the four factors, noise, decay, flips, dropouts; of tasks."""
        of_tasks = {} if self.tasks is None else self.tasks.numbers(self.noise, self.flips)
        return {**vars(self.rates), **{name: getattr(self, name) for name in _OTHERS}, **of_tasks}

    @cached_property
    def scheduled(self) -> bool:
        """Whether any number depends on α."""
        return any(isinstance(each, Schedule) for each in self.numbers.values())

    @property
    def jumps(self) -> tuple[float, ...]:
        """Where any number jumps, ascending values of α."""
        schedules = (each for each in self.numbers.values() if isinstance(each, Schedule))
        return tuple(sorted({jump for each in schedules for jump in each.jumps}))

    @property
    def switches(self) -> tuple[float, ...]:
        """Where a share of several tasks jumps, ascending values of α."""
        return () if self.tasks is None else self.tasks.switches

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where any number jumps, has a kink or begins to have fine structure, ascending values of α."""
        schedules = (each for each in self.numbers.values() if isinstance(each, Schedule))
        return tuple(sorted({place for each in schedules for place in each.breaks}))

    def numbers_at(self, alpha: "ArrayLike") -> "np.ndarray":
        """Values of :attr:`numbers`.

        Parameters
        ----------
        alpha : array (n,)
            Times.

        Returns
        -------
        array (n, 9)
            In their order; at a jump the values after it.  Of several tasks 3 more each; their shares are divided by
            their sum.
        """
        import numpy as np

        alpha = np.asarray(alpha, float)
        out = np.empty((len(self._all_numbers), *alpha.shape))  # each number is contiguous, which is faster to fill
        for row, each in enumerate(self._all_numbers):  # tables of functions that end at 0 have rounding
            out[row] = np.maximum(each(alpha), 0.0) if isinstance(each, Schedule) else each
        if self.tasks is not None:
            out[self._shares] /= out[self._shares].sum(0)
        return np.moveaxis(out, 0, -1)

    def numbers_of(self, alpha: float) -> list[float]:
        """The same at one time, quickly.

        Parameters
        ----------
        alpha : float
            Which.

        Returns
        -------
        list of 9 floats
            As :meth:`numbers_at`.
        """
        numbers = [max(each.value_at(alpha), 0.0) if isinstance(each, Schedule) else each
                   for each in self._all_numbers]
        if self.tasks is not None:
            shares = numbers[self._shares]
            numbers[self._shares] = [each / sum(shares) for each in shares]
        return numbers

    @property
    def _shares(self):
        """Where those of tasks stand."""
        return slice(_COUNT, _COUNT + self.tasks.count)

    def shares_at(self, alpha: "ArrayLike") -> "np.ndarray":
        """How likely a sample is of each task.

        Parameters
        ----------
        alpha : array (n,)
            Times.

        Returns
        -------
        array (n, tasks)
            Of sum 1; at a jump the values after it.
        """
        return self.numbers_at(alpha)[:, self._shares]

    @property
    def stages(self) -> int:
        """How many turns of tasks there are of which each waits for an error; 1 where none does."""
        return 1 if self.tasks is None else self.tasks.stages

    def stage(self, number: int) -> "Problem":
        """The problem in one of these turns.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        Problem
            Itself where there is one.
        """
        return self if self.tasks is None or self.stages == 1 else replace(self, tasks=self.tasks.stage(number))

    def shares_of(self, alpha: float) -> list[float]:
        """The same at one time, quickly.

        Parameters
        ----------
        alpha : float
            Which.

        Returns
        -------
        list of float
            One a task, of sum 1.
        """
        return self.numbers_of(alpha)[self._shares]

    def of_task(self, task: int) -> "Problem":
        """The problem of one task alone.

        Parameters
        ----------
        task : int
            Its number, from 0.

        Returns
        -------
        Problem
            With its noise and flips, and no others.

        Raises
        ------
        ParameterError
            If there is one task, or no such task.
        """
        if self.tasks is None:
            raise ParameterError("this problem has one task: give it tasks = Tasks(...)")
        checks.integer("task", task, 0, self.tasks.count - 1)
        own = {name: getattr(self.tasks, name) for name in ("noise", "flips")}
        return replace(self, tasks=None, **{name: each[task] for name, each in own.items() if each is not None})

    def check_start(self, start: Any) -> None:
        """Refuse a student and a teacher that do not have the readouts of the problem's tasks.

        Parameters
        ----------
        start : Weights or OrderParameters
            What is checked.

        Raises
        ------
        ParameterError
            If they have none, others, or several where the problem has one task.
        """
        tasks, heads = (None, None) if self.tasks is None else (self.tasks.count, self.tasks.head_count)
        for name, wanted, units, has in (("teacher_readout", tasks, "M", start.tasks),
                                         ("readout", heads, "K", start.heads)):
            if wanted != has:
                shapes = [f"({units},)" if rows is None else f"({rows}, {units})" for rows in (wanted, has)]
                raise ParameterError(f"{name} must have shape {shapes[0]} for a problem with "
                                     f"{'one task' if tasks is None else f'{tasks} tasks'}; got {shapes[1]}: see "
                                     "onlinemode.initial.tasks and Problem(tasks=...)")

    @cached_property
    def _all_numbers(self):
        return list(self.numbers.values())

    def at(self, alpha: float) -> "Problem":
        """The problem with the numbers of one time.

        Parameters
        ----------
        alpha : float
            Which.

        Returns
        -------
        Problem
            Without schedules.
        """
        return self._with(lambda name, each: max(each.value_at(alpha), 0.0))

    def sampled(self, until: float) -> "Problem":
        """The problem with every schedule as data that reach a time, checked up to there.

        Parameters
        ----------
        until : float
            The last α of a run.

        Returns
        -------
        Problem
            Itself where no schedule is a function.

        Raises
        ------
        ParameterError
            If a schedule is negative, not finite or unknown anywhere before.
        """
        def sample(name, each):
            made = each.sampled(until)
            made.check(f"learning rate {name}" if name in _RATES else name, 0.0, _OTHERS.get(name.split()[0]), until)
            return made

        sampled = self._with(sample)
        if sampled.tasks is not None:
            sampled.tasks.check_until(until)
        return sampled

    def extends(self, other: "Problem") -> bool:
        """Whether it is the other problem, with schedules that are perhaps known for longer.

        Parameters
        ----------
        other : Problem
            To compare with.

        Returns
        -------
        bool
            A piece of a run has the problem of the run in this sense.
        """
        theirs = other.numbers
        if theirs.keys() != self.numbers.keys():
            return False
        same = all(each.extends(theirs[name]) for name, each in self.numbers.items() if isinstance(each, Schedule))
        return same and self._with(lambda name, each: theirs[name]) == other

    def _with(self, change):
        """With ``change(name, schedule)`` in place of each schedule."""
        if not self.scheduled:
            return self
        made = {name: change(name, each) for name, each in self.numbers.items() if isinstance(each, Schedule)}
        rates = replace(self.rates, **{name: each for name, each in made.items() if name in _RATES})
        tasks = None if self.tasks is None else self.tasks.changed(lambda name, each: made[name])
        return replace(self, rates=rates, tasks=tasks,
                       **{name: each for name, each in made.items() if name in _OTHERS})

    @property
    def activations(self) -> tuple[Activation, Activation]:
        """Those of student and teacher, as values."""
        return self._values

    @cached_property
    def _values(self):
        student = activation_of(self.activation)
        return student, student if self.teacher_activation is None else activation_of(self.teacher_activation)

    @property
    def signed(self) -> bool:
        """Whether units match by ρ itself; |ρ| where the signs of the readout are trained, or g or g* is even."""
        return self.rates.readout == 0.0 and not any(each.even for each in self.activations)

    @property
    def drifts(self) -> bool:
        """Whether the teacher does."""
        return self.drift != 0.0

    @property
    def drift_words(self) -> str:
        """Of the drift, before a comma; empty where there is none."""
        every = "" if self.drift_every == 1 else f" every {self.drift_every:,} steps"
        return f"drift {self.drift:g}{every}, " if self.drifts else ""

    @property
    def drops_out(self) -> bool:
        """Whether samples leave out units or modes."""
        return self.dropout != 0.0 or self.mode_dropout != 0.0

    def whole_student(self, alpha: "ArrayLike", strengths: "np.ndarray",
                      readout: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        """Strengths and second layer of the student whose ε_g counts: nothing is left out, but all is damped.

        Parameters
        ----------
        alpha : array (n,)
            Times.
        strengths : array (..., n, P)
            Of the student that learns.
        readout : array (..., n, K) or (..., n, heads, K)
            Its second layer.

        Returns
        -------
        strengths : array (..., n, P)
            Times 1 − mode_dropout.
        readout : array (..., n, K)
            Times 1 − dropout.
        """
        if not self.drops_out:
            return strengths, readout
        numbers = self.numbers_at(alpha)
        of_units, of_modes = numbers[..., _COUNT - 2, None], numbers[..., _COUNT - 1, None]
        if self.tasks is not None and self.tasks.heads is not None:
            of_units = of_units[..., None]
        return (1.0 - of_modes) * strengths, (1.0 - of_units) * readout

    @property
    def plain(self) -> bool:
        """Whether the loss is squared and labels are real, which closed forms and the linear noise need."""
        return self.loss == SQUARED and self.labels == REAL

    @property
    def activation_words(self) -> str:
        """The activation, and that of the teacher where it is another one."""
        other = self.teacher_activation
        return str(self.activation) if other is None else f"{self.activation}, of the teacher {other}"

    @property
    def label_words(self) -> str:
        """Of the loss and the labels where these are not usual, after a comma."""
        if self.plain:
            return ""
        return f", loss {self.loss}" + ("" if self.labels == REAL else f", sign labels with flips {self.flips:g}")

    @property
    def dropout_words(self) -> str:
        """Of what samples leave out, before a comma; empty where that is nothing."""
        numbers = {"dropout": self.dropout, "mode dropout": self.mode_dropout}
        return "".join(f"{name} {number:g}, " for name, number in numbers.items() if number != 0.0)

    def rule(self, N: int) -> "Rule":
        """What the kernels need to know of this problem.

        Parameters
        ----------
        N : int
            Number of inputs; 1 gives increments in units of 1/N.

        Returns
        -------
        Rule
            A record of ``onlinemode.kernels.rule.step``; where numbers depend on α, with those of α = 0.
        """
        from onlinemode.kernels.rule.activations import activation_data
        from onlinemode.kernels.rule.losses import Labels, loss_data
        from onlinemode.kernels.rule.step import Dropout, Rates, Rule
        from onlinemode.kernels.rule.tasks import task_data

        student, teacher = map(activation_data, self.activations)
        numbers = self.numbers_of(0.0)
        *rates, noise, weight_decay, flips, of_units, of_modes = numbers[:_COUNT]
        return Rule(student, teacher, Rates(*rates), noise, weight_decay, self.batch, float(N),
                    loss_data(loss_of(self.loss)), None if self.labels == REAL else Labels(1, flips),
                    Dropout(of_units, of_modes) if self.drops_out else None, None,
                    None if self.tasks is None else task_data(self.tasks.heads, numbers[_COUNT:]))

    def to_dict(self) -> dict[str, Any]:
        """All fields that are not None as plain numbers and names, as they are saved; loss and labels where not usual.

        A schedule is its word, or of a function its table.

        Returns
        -------
        dict
            By the names of the parameters.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)
                  if each.name not in _LATER or getattr(self, each.name) != each.default}
        return {**{name: to_plain(value) for name, value in values.items() if value is not None},
                **({} if self.tasks is None else {"tasks": self.tasks.to_plain()}),
                "rates": {name: to_plain(rate) for name, rate in vars(self.rates).items()},
                "inputs": self.inputs.to_dict()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`.

        Parameters
        ----------
        saved : dict
            Files of older versions hold no inputs, which were Gaussian.

        Returns
        -------
        Problem
            Equal to the one that was saved.
        """
        inputs = inputs_from_dict(saved.get("inputs", {"kind": "gaussian"}))
        values: dict[str, Any] = {name: from_plain(value) if name in ("activation", "teacher_activation") else value
                                  for name, value in saved.items()}
        return cls(**{**values, "rates": LearningRates(**saved["rates"]), "inputs": inputs})
