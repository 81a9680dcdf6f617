"""The engines: each turns a problem and a start into a Trajectory.

An engine is a module with a function ``run``, a tuple ``OPTIONS`` of the keywords that only it
understands, ``DETERMINISTIC``, whether replicas of one start would be equal, and ``MAKES_VECTORS``,
whether it makes N-vectors from overlaps; it is imported when it is first asked for.  ``run`` makes
some of the replicas of a call: ``starts`` holds one start for each, ``first_replica`` is the number
of the first, ``replicas`` the number in the whole call.  Ctrl-C sets ``stop[0]``, and ``run`` returns
what it has.
"""

from importlib import import_module

from onlinemode.errors import EngineError

ENGINES = ("micro", "chain", "ode")


def get_engine(name):
    """The engine module of this name.

    Raises
    ------
    EngineError
        If there is none.
    """
    if name not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES)}; got {name!r}")
    return import_module(f"onlinemode.engines.{name}.engine")
