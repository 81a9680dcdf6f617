"""Losses of one sample as values; what the kernels make of them is in ``onlinemode.kernels.rule.losses``.

Light: commands read it for their help.
"""

from dataclasses import dataclass

from onlinemode import checks
from onlinemode.errors import ParameterError

__all__ = ["NAMES", "WORDS", "Loss", "loss_of"]

SQUARED, LOGISTIC, HINGE, PERCEPTRON, ADATRON, CORRELATION, HUBER = (
    "squared", "logistic", "hinge", "perceptron", "adatron", "correlation", "huber")
NAMES = (SQUARED, LOGISTIC, HINGE, PERCEPTRON, ADATRON, CORRELATION, HUBER)
"""The losses, in words that stand alone."""
WORDS = (*NAMES, "hinge:MARGIN", "huber:WIDTH")
"""What a loss may be called, in words."""
REAL, SIGN = "real", "sign"
LABELS = (REAL, SIGN)
"""The kinds of labels."""
LARGEST = 1e6  # of a margin or a width, and of the inverse of a width
_NUMBERS = {HINGE: ("margin", 0.0), HUBER: ("width", 1.0 / LARGEST)}  # what a number is, and its least
_USUAL = 1.0


@dataclass(frozen=True)
class Loss:
    """The loss l(f, y) of one sample, of which a student only needs the slope l' = ∂l/∂f (docs/theory, section 12).

    Parameters
    ----------
    kind : {"squared", "logistic", "hinge", "perceptron", "adatron", "correlation", "huber"}
        l' is f − y; −y/(1 + exp(yf)); −y where yf < margin, else 0; −y where yf < 0, else 0; −y max(0, −yf);
        −y; and f − y clipped to ± width.
    number : float, optional
        Of hinge the margin, 0 to 10⁶, of huber the width, 10⁻⁶ to 10⁶, by default 1.  No others take one.

    Raises
    ------
    ParameterError
        If there is no such kind, or its number is none that it can have.

    Notes
    -----
    What is the same function under two names has one: "hinge:0" is the perceptron.
    """

    kind: str
    number: float | None = None

    def __post_init__(self) -> None:
        kind = checks.choice("loss", self.kind, NAMES)
        number = self.number
        if kind in _NUMBERS:
            what, least = _NUMBERS[kind]
            number = _USUAL if number is None else number
            number = checks.number(f"the {what} of the loss {kind}", number, least, maximum=LARGEST)
            if kind == HINGE and number == 0.0:
                kind, number = PERCEPTRON, None
        elif number is not None:
            raise ParameterError(f"the loss {kind} takes no number; got {checks.one_line(number)}")
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "number", number)

    @classmethod
    def parse(cls, word: str) -> "Loss":
        """The loss of a word, such as "logistic", "hinge" or "huber:0.5".

        Parameters
        ----------
        word : str
            One of ``onlinemode.losses.WORDS``; capitals do not count.

        Returns
        -------
        Loss
            With the number of the word.

        Raises
        ------
        ParameterError
            If it is none.
        """
        kind, colon, rest = word.strip().casefold().partition(":")
        if kind not in NAMES or bool(colon) != bool(rest):
            raise ParameterError(f"{checks.one_line(word)} is no loss: it must be one of {', '.join(WORDS)}")
        try:
            number = float(rest) if colon else None
        except ValueError:
            raise ParameterError("the number of a loss follows its colon, as in hinge:0.5; got "
                                 f"{checks.one_line(word)}") from None
        return cls(kind, number)

    @property
    def word(self) -> str:
        """What :meth:`parse` reads."""
        if self.number is None or self.number == _USUAL:
            return self.kind
        return f"{self.kind}:{int(self.number) if self.number == int(self.number) else self.number!r}"

    def __str__(self) -> str:
        return self.word

    @property
    def of_signs(self) -> bool:
        """Whether it is defined for labels ±1 alone."""
        return self.kind in (LOGISTIC, HINGE, PERCEPTRON, ADATRON)

    @property
    def jumps(self) -> bool:
        """Whether l' jumps as f changes."""
        return self.kind in (HINGE, PERCEPTRON)


def loss_of(value: "str | Loss") -> Loss:
    """The loss that a word or a value stands for.

    Parameters
    ----------
    value : str or Loss
        A word of :data:`WORDS`, or the value itself.

    Returns
    -------
    Loss
        A value.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    if isinstance(value, Loss):
        return value
    if not isinstance(value, str):
        raise ParameterError(f"loss must be one of {', '.join(WORDS)}, or an onlinemode.losses.Loss; got "
                             f"{checks.one_line(value)}")
    return Loss.parse(value)
