"""Inputs in words, as the command line and sweeps have them."""

from typing import Any

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.inputs.base import Inputs
from onlinemode.inputs.gaussian import Gaussian
from onlinemode.inputs.independent import Rademacher, Uniform
from onlinemode.inputs.manifold import TEACHERS, HiddenManifold
from onlinemode.inputs.rows import Rows
from onlinemode.inputs.spectra import Blocks, PowerLaw, Spiked

WORDS = ("gaussian, rademacher, uniform, power-law:EXPONENT, blocks:SHARExEIGENVALUE,..., spiked:VARIANCE,..., "
         "covariance:FILE.npy, manifold:D=LATENT,erf or sign(,latent), FILE.npy(,teacher=FILE.npy), FILE.npy:raw")

_TEACHER = ",teacher="  # in words of a file: what follows is what the teacher sees


def parse(text: str) -> Inputs:
    """Inputs from the words of the command line.

    Parameters
    ----------
    text : str
        "gaussian", "rademacher", "uniform", "power-law:1.0", "blocks:0.1x4,0.3x1,0.6x0.3" (shares of the
        directions and their eigenvalues), "spiked:30,20" (variances of the first directions, relative to the others),
        "covariance:FILE.npy", "manifold:D=100,erf" (also "sign", "seed=1", and "latent" for a teacher that sees the
        latent variables), the path of an .npy file, or that path with ":raw" for rows that are not standardised; and
        either with ",teacher=FILE.npy" for a teacher that sees the rows of another file.

    Returns
    -------
    Inputs
        Of the class that is meant.

    Raises
    ------
    ParameterError
        If the text is none of these.
    FileError, ShapeError
        If the file cannot be read, or holds no rows of numbers.
    """
    if not isinstance(text, str):
        raise ParameterError(f"inputs must be words, one of {WORDS}; got {checks.one_line(text)}")
    if text in _PROVIDED:
        return _PROVIDED[text]
    word, _, rest = text.partition(":")
    simple = {"gaussian": Gaussian, "rademacher": Rademacher, "uniform": Uniform}
    try:
        if word in simple and not rest:
            return simple[word]()
        if word == "power-law":
            return PowerLaw(float(rest))
        if word == "blocks":
            shares, eigenvalues = zip(*(part.split("x") for part in rest.split(",")))
            return Blocks(tuple(map(float, eigenvalues)), tuple(map(float, shares)))
        if word == "spiked":
            return Spiked(tuple(map(float, rest.split(","))))
        if word == "manifold":
            arguments: dict[str, Any] = {}
            for part in rest.split(","):
                name, equals, value = part.partition("=")
                if name in ("D", "seed") and equals:
                    arguments[name] = int(value)
                else:
                    arguments["teacher" if part in TEACHERS else "activation"] = part
            return HiddenManifold(**arguments)
    except ParameterError:
        raise
    except (TypeError, ValueError):
        pass
    else:
        if word == "covariance" and rest.endswith(".npy"):
            return Gaussian(rest)
        rows, _, teacher = text.partition(_TEACHER)
        path = rows.removesuffix(":raw")
        if path.endswith(".npy") and (teacher.endswith(".npy") or rows == text):
            return Rows(path, path == rows, teacher or None)
    raise ParameterError(f"inputs must be one of {WORDS}; got {checks.one_line(text)}")


def latent_columns(text: str, N: int) -> int | None:
    """How many numbers a teacher sees that does not see the inputs; None where it does.

    Data are opened where the words name others for the teacher, and not else.
    """
    if text not in _PROVIDED and _TEACHER not in text and not text.startswith("manifold:"):
        return None
    inputs = parse(text)
    return None if inputs.sees_inputs else inputs.teacher_columns(N)


_PROVIDED: dict[str, Inputs] = {}


def provide(text: str, inputs: Inputs) -> None:
    """From now on these words mean these inputs in this process: of a data set that was read once, or sent here."""
    _PROVIDED[text] = inputs


def withdraw(text: str) -> None:
    """They mean again what :func:`parse` makes of them."""
    _PROVIDED.pop(text, None)
