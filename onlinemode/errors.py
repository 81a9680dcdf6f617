"""Every error that a user of onlinemode can meet.

Each message states the rule, what was received and what to do.  All classes derive from
:class:`OnlineModeError`, so ``except OnlineModeError`` catches them all; those that report a
bad argument are also a :class:`ValueError`.
"""


class OnlineModeError(Exception):
    """Base class of all errors that onlinemode raises on purpose.

    The message is one line: line breaks in values that it quotes become blanks.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(" ".join(line.strip() for line in str(message).splitlines()))


class ParameterError(OnlineModeError, ValueError):
    """A number or a name is outside its allowed range."""


class ShapeError(OnlineModeError, ValueError):
    """Arrays whose shapes must agree do not."""


class OverlapError(OnlineModeError, ValueError):
    """Given overlaps cannot be the covariance of any weight vectors."""


class EngineError(OnlineModeError, ValueError):
    """The chosen engine cannot run this problem, start or option."""


class DeviceError(EngineError):
    """The CUDA device cannot make this run; the CPU can."""


class FileError(OnlineModeError):
    """A file cannot be read or written, or is not what it should be."""


class ConfigError(OnlineModeError, ValueError):
    """A configuration file has an unknown key or a value of the wrong kind."""


class RepeatError(OnlineModeError):
    """A saved run cannot be repeated from its file."""


class MissingPackageError(OnlineModeError, ImportError):
    """An optional package is needed that is not installed."""
