"""The engines: each turns a problem and a start into a Trajectory; see :mod:`onlinemode.engines.base`.

An engine is a folder with ``options.py``, which is light, and ``engine.py`` with its ``ENGINE``, imported
when it is first asked for; and one line here.
"""

from importlib import import_module

from onlinemode import checks
from onlinemode.engines.base import Capabilities, Engine, Options
from onlinemode.errors import EngineError

__all__ = ["ENGINES", "capabilities_of", "get_engine", "options_of"]

ENGINES = ("micro", "chain", "leap", "ode")
"""Names of all engines."""


def get_engine(name: str) -> Engine:
    """The engine of a name, with all that it imports.

    Parameters
    ----------
    name : {"micro", "chain", "leap", "ode"}
        One of :data:`ENGINES`.

    Returns
    -------
    Engine
        Ready to run.

    Raises
    ------
    EngineError
        If there is none.
    """
    return import_module(f"onlinemode.engines.{_known(name)}.engine").ENGINE


def options_of(name: str) -> type[Options]:
    """The options of an engine; imports nothing heavy.

    Parameters
    ----------
    name : {"micro", "chain", "leap", "ode"}
        One of :data:`ENGINES`.

    Returns
    -------
    type
        A subclass of :class:`onlinemode.engines.base.Options`.

    Raises
    ------
    EngineError
        If there is no such engine.
    """
    return import_module(f"onlinemode.engines.{_known(name)}.options").Options


def capabilities_of(name: str) -> Capabilities:
    """What an engine can do; imports nothing heavy.

    Parameters
    ----------
    name : {"micro", "chain", "leap", "ode"}
        One of :data:`ENGINES`.

    Returns
    -------
    Capabilities
        For those who call it.

    Raises
    ------
    EngineError
        If there is no such engine.
    """
    return import_module(f"onlinemode.engines.{_known(name)}.options").CAPABILITIES


def _known(name):
    if not isinstance(name, str) or name not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES)}; got {checks.one_line(name)}")
    return name
