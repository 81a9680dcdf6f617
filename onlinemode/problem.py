"""What is learned and how: the learning problem, without any size."""

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from onlinemode import checks
from onlinemode.activations import ACTIVATIONS, NAMES, Activation
from onlinemode.errors import ParameterError
from onlinemode.inputs import Gaussian, Inputs, check_inputs
from onlinemode.inputs import from_dict as inputs_from_dict

if TYPE_CHECKING:
    from onlinemode.kernels.rule.step import Rule

MAX_BATCH = 10**9


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
    activation : {"erf", "linear", "relu", "tanh"}, default "erf"
        Of both networks, g; "erf" is erf(z/√2).  Capitals do not count.
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
    teacher_activation : str, optional
        Of the teacher, where it is not that of the student.  Averages of relu students are then taken over
        quadrature nodes (docs/theory, section 2.5).

    Raises
    ------
    ParameterError
        If a value is out of range or the activation is unknown.

    Notes
    -----
    Symbols and the step of learning: docs/theory, sections 1.1 and 1.2.
    """

    activation: str = "erf"
    noise: float = 0.0
    weight_decay: float = 0.0
    batch: int = 1
    rates: LearningRates = field(default_factory=LearningRates)
    inputs: Inputs = Gaussian()
    teacher_activation: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "activation", checks.spelled(self.activation, NAMES))
        checks.choice("activation", self.activation, NAMES)
        if self.teacher_activation is not None:
            object.__setattr__(self, "teacher_activation", checks.spelled(self.teacher_activation, NAMES))
            checks.choice("teacher_activation", self.teacher_activation, NAMES)
            if self.teacher_activation == self.activation:
                object.__setattr__(self, "teacher_activation", None)
        object.__setattr__(self, "noise", checks.number("noise", self.noise, 0.0))
        object.__setattr__(self, "weight_decay", checks.number("weight_decay", self.weight_decay, 0.0))
        object.__setattr__(self, "batch", checks.integer("batch", self.batch, 1, MAX_BATCH))
        if not isinstance(self.rates, LearningRates):
            raise ParameterError("rates must be a LearningRates, such as LearningRates(xi_in=1.0); got "
                                 f"{checks.one_line(self.rates)}")
        check_inputs(self.inputs)

    @property
    def trains(self) -> bool:
        """Whether a step changes anything: a learning rate or the weight decay is above 0."""
        return self.weight_decay > 0.0 or any(rate > 0.0 for rate in asdict(self.rates).values())

    @property
    def activations(self) -> tuple[Activation, Activation]:
        """The entries of :data:`onlinemode.activations.ACTIVATIONS` of student and teacher."""
        return ACTIVATIONS[self.activation], ACTIVATIONS[self.teacher_activation or self.activation]

    @property
    def activation_words(self) -> str:
        """The activation, and that of the teacher where it is another one."""
        other = self.teacher_activation
        return self.activation if other is None else f"{self.activation}, of the teacher {other}"

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
        from onlinemode.kernels.rule.activations import activation_named
        from onlinemode.kernels.rule.step import Rates, Rule

        student, teacher = (activation_named(each.name) for each in self.activations)
        return Rule(student, teacher, Rates(**asdict(self.rates)), self.noise, self.weight_decay, self.batch, float(N))

    def to_dict(self) -> dict[str, Any]:
        """All fields that are not None as plain numbers and names, as they are saved.

        Returns
        -------
        dict
            By the names of the parameters.
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**{name: value for name, value in values.items() if value is not None}, "rates": asdict(self.rates),
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
        return cls(**{**saved, "rates": LearningRates(**saved["rates"]), "inputs": inputs})
