"""What an input vector x is: i.i.d. entries, a covariance spectrum, a hidden manifold, rows of a data set.

All are scaled so that tr Ω/N = 1, with Ω = E[x xᵀ], and drawn as float32 (docs/theory, section 9).  Nothing
but :class:`Spectrum` and :class:`Rows` fixes N.
"""

from typing import Any

from onlinemode import checks
from onlinemode.errors import EngineError, ParameterError
from onlinemode.inputs.base import Inputs
from onlinemode.inputs.gaussian import Gaussian
from onlinemode.inputs.independent import Rademacher, Uniform
from onlinemode.inputs.manifold import HiddenManifold
from onlinemode.inputs.rows import Rows
from onlinemode.inputs.spectra import Blocks, PowerLaw, Spectrum, Spiked
from onlinemode.inputs.words import parse

__all__ = ["Blocks", "Gaussian", "HiddenManifold", "Inputs", "PowerLaw", "Rademacher", "Rows", "Spectrum", "Spiked",
           "Uniform", "parse"]

_KINDS = {cls.kind: cls for cls in (Gaussian, Rademacher, Uniform, PowerLaw, Spectrum, Blocks, Spiked, HiddenManifold,
                                   Rows)}


def from_dict(fields: dict[str, Any]) -> Inputs:
    """The inverse of :meth:`Inputs.to_dict`."""
    fields = dict(fields)
    return _KINDS[fields.pop("kind")]._restored(fields)


def check_inputs(value: Any) -> None:
    """Raise ParameterError unless it is one of the kinds of inputs."""
    if not isinstance(value, Inputs):
        raise ParameterError("inputs must be one of the classes of onlinemode.inputs, such as Rademacher(); got "
                             f"{checks.one_line(value)}")


def require_few_eigenvalues(inputs: Inputs, engine: str, most: int, N: int) -> None:
    """Raise EngineError if the covariance has more different eigenvalues than an engine takes."""
    if inputs.independent:
        return
    count = len(inputs.eigenspaces(N).eigenvalues)
    if count > most:
        raise EngineError(f"engine {engine} needs a covariance of at most {most} different eigenvalues; got {count:,} "
                          f"of {inputs!r}: use engine micro, or ode for N → ∞")


def require_inputs(inputs: Inputs, engine: str, kind: str) -> None:
    """Raise EngineError unless the inputs are of the kind that an engine needs, see Capabilities.inputs."""
    if kind == "gaussian" and not inputs.gaussian:
        raise EngineError(f"engine {engine} needs inputs with independent Gaussian entries; got {inputs!r}: use engine "
                          "micro")
    if kind == "independent" and not inputs.independent:
        raise EngineError(f"engine {engine} needs inputs with independent entries of mean 0 and variance 1; got "
                          f"{inputs!r}: use engine micro")
