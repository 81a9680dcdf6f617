"""The engines: each turns a problem and a start into a Trajectory; see :mod:`onlinemode.engines.base`.

An engine is a folder with ``options.py``, which is light, and ``engine.py`` with its ``ENGINE``, imported
when it is first asked for; and one line here.
"""

from importlib import import_module

from onlinemode import checks
from onlinemode.engines.base import Capabilities, Engine, Options
from onlinemode.errors import EngineError

ENGINES = ("micro", "chain", "ode")


def get_engine(name: str) -> Engine:
    """The :class:`onlinemode.engines.base.Engine` of this name.

    Raises
    ------
    EngineError
        If there is none.
    """
    return import_module(f"onlinemode.engines.{_known(name)}.engine").ENGINE


def options_of(name: str) -> type[Options]:
    """The options of an engine, a subclass of :class:`onlinemode.engines.base.Options`; imports nothing heavy."""
    return import_module(f"onlinemode.engines.{_known(name)}.options").Options


def capabilities_of(name: str) -> Capabilities:
    """What an engine can do; imports nothing heavy."""
    return import_module(f"onlinemode.engines.{_known(name)}.options").CAPABILITIES


def _known(name):
    if not isinstance(name, str) or name not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES)}; got {checks.one_line(name)}")
    return name
