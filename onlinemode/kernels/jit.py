"""The decorator of every compiled function, and the folder where the machine code is kept.

Numba's own cache looks at the modification time of the file that holds a function; it does not
notice an edit in another file that the function calls.  So the package keeps its machine code in
a folder of its own whose name is a hash of all kernel sources and of Numba's version: after any
edit, pull or upgrade the folder is a new one.  Nothing outside this package is affected.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numba
from numba import njit


def source_hash():
    digest = hashlib.sha256(f"numba {numba.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidate_roots():
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onlinemode"
    yield Path(tempfile.gettempdir()) / f"onlinemode-cache-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _find_cache_folder():
    """First candidate that is ours to write in, or None (then every process compiles anew)."""
    name = f"kernels-{source_hash()}"
    for root in _candidate_roots():
        folder = root / name
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            if hasattr(os, "getuid") and {root.stat().st_uid, folder.stat().st_uid} != {os.getuid()}:
                continue  # machine code in a folder of somebody else is not to be trusted
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


CACHE_FOLDER = _find_cache_folder()


def compiled(function=None, *, inner=False, **options):
    """``numba.njit`` that releases the GIL and caches in :data:`CACHE_FOLDER`.

    Division follows NumPy (no check for zero), without which LLVM vectorises no loop that divides.

    Parameters
    ----------
    function : callable, optional
        The function to compile; without it a decorator is returned.
    inner : bool, default False
        The function is called by other kernels alone: no entry from Python is compiled and nothing
        is cached for it by itself, which saves a fifth of the compile time.
    **options
        Passed on to :func:`numba.njit`, for example ``fastmath`` or ``forceinline``.
    """
    if function is None:
        return lambda later: compiled(later, inner=inner, **options)
    if inner:
        options.update(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
    if CACHE_FOLDER is not None and not inner:
        # Numba reads its cache folder from the configuration when caching is enabled, and only
        # then: set it for this one call.
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(CACHE_FOLDER)
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    return dispatcher
