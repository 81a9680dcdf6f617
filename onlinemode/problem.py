"""What is learned and how: the learning problem, without any size."""

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from onlinemode import checks
from onlinemode.activations import Activation, activation_of, from_plain, to_plain, word_or_value
from onlinemode.errors import ParameterError
from onlinemode.inputs import Gaussian, Inputs, check_inputs
from onlinemode.inputs import from_dict as inputs_from_dict
from onlinemode.losses import LABELS, REAL, SQUARED, Loss, loss_of

if TYPE_CHECKING:
    from onlinemode.kernels.rule.step import Rule

MAX_BATCH = 10**9
_LATER = ("loss", "labels", "flips", "constraint")  # not in files of older versions, nor where they are usual
CONSTRAINTS = ("sphere",)


@dataclass(frozen=True)
class LearningRates:
    """Learning rates of the four factors of the student; 0 leaves a factor untrained.

    Parameters
    ----------
    xi_in : float, default 0
        Of the input modes X (P×N), η.
    strengths : float, default 0
        Of the mode strengths s (P), η_s.
    xi_out : float, default 0
        Of the output modes A (K×P), η_A.
    readout : float, default 0
        Of the second layer v (K), η_v.

    Raises
    ------
    ParameterError
        If a rate is negative, NaN or infinite.

    Notes
    -----
    One step changes X by η/√N and s, A, v by their rates over N (docs/theory, section 1.2), so
    all four act on the same time scale α = steps/N.
    """

    xi_in: float = 0.0
    strengths: float = 0.0
    xi_out: float = 0.0
    readout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("xi_in", "strengths", "xi_out", "readout"):
            object.__setattr__(self, name, checks.number(f"learning rate {name}", getattr(self, name), 0.0))


@dataclass(frozen=True)
class Problem:
    """A student that learns from a teacher, one fresh sample (or mini-batch) a step.

    Parameters
    ----------
    activation : str or Activation, default "erf"
        Of both networks, g: a word such as "erf", which is erf(z/√2), "relu", "he:3" or "poly:0,0,1", or an
        :class:`Activation`; kept as its word where it has one.  Capitals do not count.
    noise : float, default 0
        Standard deviation σ of the Gaussian label noise (not its variance).
    weight_decay : float, default 0
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
    flips : float, default 0
        Probability q ≤ 1/2 that a sign is negated.
    constraint : {"sphere"}, optional
        "sphere": after each step every input mode is scaled back to the length that it had at the start of the run.

    Raises
    ------
    ParameterError
        If a value is out of range, an activation or the loss is unknown, the activation of the student has jumps, or
        the loss or flips need labels that are signs.

    Notes
    -----
    Symbols and the step of learning: docs/theory, sections 1.1 and 1.2.
    """

    activation: str | Activation = "erf"
    noise: float = 0.0
    weight_decay: float = 0.0
    batch: int = 1
    rates: LearningRates = field(default_factory=LearningRates)
    inputs: Inputs = Gaussian()
    teacher_activation: str | Activation | None = None
    loss: str | Loss = SQUARED
    labels: str = REAL
    flips: float = 0.0
    constraint: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", word_or_value(self.activation))
        if self.teacher_activation is not None:
            other = word_or_value(self.teacher_activation, "teacher_activation")
            object.__setattr__(self, "teacher_activation", None if other == self.activation else other)
        if not self.activations[0].continuous:
            raise ParameterError(f"a student cannot learn with {self.activation}, which has jumps, by the gradient of "
                                 "its error: give it to the teacher alone (teacher_activation), and the student "
                                 "another one, such as erf")
        object.__setattr__(self, "noise", checks.number("noise", self.noise, 0.0))
        object.__setattr__(self, "weight_decay", checks.number("weight_decay", self.weight_decay, 0.0))
        object.__setattr__(self, "batch", checks.integer("batch", self.batch, 1, MAX_BATCH))
        if not isinstance(self.rates, LearningRates):
            raise ParameterError("rates must be a LearningRates, such as LearningRates(xi_in=1.0); got "
                                 f"{checks.one_line(self.rates)}")
        check_inputs(self.inputs)
        self._check_labels()
        if self.constraint is not None:
            object.__setattr__(self, "constraint", checks.choice("constraint", self.constraint, CONSTRAINTS))

    def _check_labels(self):
        loss = loss_of(self.loss)
        object.__setattr__(self, "loss", loss.word)
        object.__setattr__(self, "labels", checks.choice("labels", self.labels, LABELS))
        object.__setattr__(self, "flips", checks.number("flips", self.flips, 0.0, maximum=0.5))
        if self.labels == REAL and loss.of_signs:
            raise ParameterError(f"the loss {loss} needs labels that are signs: give labels = 'sign', or another loss")
        if self.labels == REAL and self.flips > 0.0:
            raise ParameterError("only labels that are signs are flipped: give labels = 'sign' with flips, or noise")

    @property
    def trains(self) -> bool:
        """Whether a step changes anything: a learning rate or the weight decay is above 0."""
        return self.weight_decay > 0.0 or any(rate > 0.0 for rate in asdict(self.rates).values())

    @property
    def activations(self) -> tuple[Activation, Activation]:
        """Those of student and teacher, as values."""
        return self._values

    @cached_property
    def _values(self):
        student = activation_of(self.activation)
        return student, student if self.teacher_activation is None else activation_of(self.teacher_activation)

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

    def rule(self, N: int) -> "Rule":
        """What the kernels need to know of this problem.

        Parameters
        ----------
        N : int
            Number of inputs; 1 gives increments in units of 1/N.

        Returns
        -------
        Rule
            A record of ``onlinemode.kernels.rule.step``.
        """
        from onlinemode.kernels.rule.activations import activation_data
        from onlinemode.kernels.rule.losses import Labels, loss_data
        from onlinemode.kernels.rule.step import Rates, Rule

        student, teacher = map(activation_data, self.activations)
        return Rule(student, teacher, Rates(**asdict(self.rates)), self.noise, self.weight_decay, self.batch, float(N),
                    loss_data(loss_of(self.loss)), None if self.labels == REAL else Labels(1, self.flips))

    def to_dict(self) -> dict[str, Any]:
        """All fields that are not None as plain numbers and names, as they are saved; loss and labels where not usual.

        Returns
        -------
        dict
            By the names of the parameters.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)
                  if each.name not in _LATER or getattr(self, each.name) != each.default}
        return {**{name: to_plain(value) for name, value in values.items() if value is not None},
                "rates": asdict(self.rates), "inputs": self.inputs.to_dict()}

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
