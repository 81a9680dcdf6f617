"""Every error that a user of onlinemode can meet.

Each message states the rule, what was received and what to do.  All classes derive from
:class:`OnlineModeError`, so ``except OnlineModeError`` catches them all; those that report a
bad argument are also a :class:`ValueError`.
"""


class OnlineModeError(Exception):
    """Base class of all errors that onlinemode raises on purpose.

    The command line prints the message and ends with exit code 2.

    Parameters
    ----------
    message : str
        It becomes one line: line breaks in values that it quotes become blanks.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(" ".join(line.strip() for line in str(message).splitlines()))


class ParameterError(OnlineModeError, ValueError):
    """A number or a name is outside its allowed range.

    Also where an argument is of the wrong kind, or arguments that are right by themselves do not go together.
    """


class ShapeError(OnlineModeError, ValueError):
    """Arrays whose shapes must agree do not, or something is no array of numbers."""


class OverlapError(OnlineModeError, ValueError):
    """Given overlaps cannot be the covariance of any weight vectors.

    A matrix is not symmetric, or has an eigenvalue below −1e-5 times its largest one (docs/theory, section 5.6).
    """


class EngineError(OnlineModeError, ValueError):
    """The chosen engine cannot run this problem, start or option.

    Also where something that it needs is not there: a scheduler, PyTorch, CuPy or a graphics card.
    """


class DeviceError(EngineError):
    """The CUDA device cannot make this run; the CPU can.

    Raised for sizes or batches that do not fit into its memory.
    """


class FileError(OnlineModeError):
    """A file cannot be read or written, or is not what it should be.

    It is missing, truncated, damaged, of a newer version, there already, or held by another process.
    """


class ConfigError(OnlineModeError, ValueError):
    """A configuration file has an unknown key or a value of the wrong kind.

    Raised by the command line alone: ``--config``, OVERLAPS.toml and SWEEP.toml.
    """


class RepeatError(OnlineModeError):
    """A saved run cannot be repeated from its file.

    It began from weights or vectors that the file does not hold, or its data set is gone.
    """


class MissingPackageError(OnlineModeError, ImportError):
    """An optional package is needed that is not installed.

    Raised where xarray, pandas, zarr or Dask are asked for without the extra ``sweep``, data sets are to be fetched
    without pooch (the extra ``deep``), and an .mp4 file is to be written without the program ffmpeg.
    """
