"""Inputs in words, as the command line and sweeps have them."""

from typing import Any

from onlinemode import checks
from onlinemode.errors import ParameterError
from onlinemode.inputs.base import Inputs
from onlinemode.inputs.gaussian import Gaussian
from onlinemode.inputs.independent import Rademacher, Uniform
from onlinemode.inputs.manifold import HiddenManifold
from onlinemode.inputs.rows import Rows
from onlinemode.inputs.spectra import Blocks, PowerLaw, Spiked

WORDS = ("gaussian, rademacher, uniform, power-law:EXPONENT, blocks:SHARExEIGENVALUE,..., spiked:VARIANCE,..., "
         "manifold:D=LATENT,erf or sign, FILE.npy, FILE.npy:raw")


def parse(text: str) -> Inputs:
    """Inputs from the words of the command line.

    Parameters
    ----------
    text : str
        "gaussian", "rademacher", "uniform", "power-law:1.0", "blocks:0.1x4,0.3x1,0.6x0.3" (shares of the
        directions and their eigenvalues), "spiked:30,20" (variances of the first directions, relative to the others),
        "manifold:D=100,erf" (also "sign", and "seed=1"), the path of an .npy file, or that path with ":raw" for rows
        that are not standardised.

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
                    arguments["activation"] = part
            return HiddenManifold(**arguments)
    except ParameterError:
        raise
    except (TypeError, ValueError):
        pass
    else:
        path = text.removesuffix(":raw")
        if path.endswith(".npy"):
            return Rows(path, standardise=path == text)
    raise ParameterError(f"inputs must be one of {WORDS}; got {checks.one_line(text)}")


_PROVIDED: dict[str, Inputs] = {}


def provide(text: str, inputs: Inputs) -> None:
    """From now on these words mean these inputs in this process: of a data set that was read once, or sent here."""
    _PROVIDED[text] = inputs


def withdraw(text: str) -> None:
    """They mean again what :func:`parse` makes of them."""
    _PROVIDED.pop(text, None)
