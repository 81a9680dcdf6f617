"""The decorator of every compiled function, and the folder where the machine code is kept.

Numba's own cache looks at the modification time of the file that holds a function; it does not
notice an edit in another file that the function calls.  So the package keeps its machine code in
a folder of its own whose name is a hash of all kernel sources and of the versions of what compiles
them: after any edit, pull or upgrade the folder is a new one.
Nothing outside this package is affected.

An entry of the cache that cannot be read is as good as none: the function is compiled anew and the
entry replaced.
"""

import hashlib
import inspect
import os
import pickle
import tempfile
import uuid
from pathlib import Path

import llvmlite
import numba
import numpy
from numba import njit
from numba._dispatcher import compute_fingerprint
from numba.core import caching
from numba.extending import intrinsic, overload

# NUMBA_DISABLE_JIT: kernels as plain Python, for a debugger or a measure of coverage, a thousand times slower
UNCOMPILED = bool(numba.config.DISABLE_JIT)

_KERNELS = Path(__file__).parent


def _sources():
    """All files from which machine code is made."""
    return sorted(_KERNELS.rglob("*.py"))


def source_hash():
    """Of the sources and of what compiles them: other machine code may round in another order."""
    digest = hashlib.sha256()
    for package in (numba, llvmlite, numpy):
        digest.update(f"{package.__name__} {package.__version__} ".encode())
    for path in _sources():
        digest.update(path.relative_to(_KERNELS.parent).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _candidate_roots():
    user = os.getuid() if hasattr(os, "getuid") else "user"
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield lambda: Path(os.environ["NUMBA_CACHE_DIR"])
    yield lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onlinemode"
    yield lambda: Path(tempfile.gettempdir()) / f"onlinemode-cache-{user}"


def _find_cache_folder():
    """First candidate that is ours to write in, or None (then every process compiles anew)."""
    name = f"kernels-{source_hash()}"
    for find_root in _candidate_roots():
        try:
            root = find_root().absolute()
            folder = root / name
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
            if hasattr(os, "getuid") and {root.stat().st_uid, folder.stat().st_uid} != {os.getuid()}:
                continue  # machine code in a folder of somebody else is not to be trusted
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except (OSError, RuntimeError):  # a user without a home is a RuntimeError
            continue
    return None


CACHE_FOLDER = None if UNCOMPILED else _find_cache_folder()


class _Locator(caching._CacheLocator):
    """Tells Numba to keep everything in :data:`CACHE_FOLDER`."""

    def __init__(self, function, file):
        self._py_file, self._line = file, function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function, file):
        return cls(function, file)

    def get_cache_path(self):
        return str(CACHE_FOLDER)

    def get_source_stamp(self):
        return CACHE_FOLDER.name

    def get_disambiguator(self):
        return f"{Path(self._py_file).parent.name}{self._line}"  # files of several folders have one name


class _MachineCode(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _CheckedFiles(caching.IndexDataCacheFile):
    """The index of a function's entries and one file an entry, each behind the checksum of what follows.

    Without it a damaged file could be loaded as machine code.
    """

    def save(self, key, data):
        """Numba numbers the files of entries; two processes would give two entries the same number."""
        overloads = self._load_index()
        name = overloads.setdefault(key, self._data_name(uuid.uuid4().int))
        self._save_data(name, data)
        self._save_index(overloads)

    def _load_index(self):
        try:
            stamp, overloads = _read_checked(self._index_path)
        except Exception:  # what a damaged pickle raises can be anything
            return {}
        return overloads if stamp == self._source_stamp else {}

    def _save_index(self, overloads):
        with self._open_for_write(self._index_path) as file:
            file.write(self._dump((self._source_stamp, overloads)))

    def _load_data(self, name):
        return _read_checked(self._data_path(name))

    def _dump(self, content):
        data = super()._dump(content)
        return hashlib.sha256(data).digest() + data


def _read_checked(path):
    content = Path(path).read_bytes()
    data = content[32:]
    if hashlib.sha256(data).digest() != content[:32]:
        raise ValueError(f"{path} is damaged")
    return pickle.loads(data)


class _Cache(caching.FunctionCache):
    """Numba's cache of one function, for which no trouble with a file is an error."""

    _impl_class = _MachineCode

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _CheckedFiles(self.cache_path, self._impl.filename_base,
                                         self._impl.locator.get_source_stamp())

    def load_overload(self, *arguments):
        try:
            return super().load_overload(*arguments)
        except Exception:
            return None  # Numba compiles, and saves

    def save_overload(self, *arguments):
        try:
            super().save_overload(*arguments)
        except (OSError, pickle.PickleError):
            pass  # a full disk, say: the next process compiles again


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
    if UNCOMPILED:
        function.py_func = function  # as of a compiled one
        return function
    if inner:
        options.update(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
    if CACHE_FOLDER is not None and not inner:
        dispatcher._cache = _Cache(function)
    return dispatcher


def instruction(in_python):
    """An intrinsic of Numba for which kernels that are not compiled call ``in_python``.

    Parameters
    ----------
    in_python : callable
        Does the same to the same arguments.
    """
    def decorate(definition):
        return in_python if UNCOMPILED else intrinsic(definition)

    return decorate


def by_type(functions):
    """A function for kernels that calls one of several, chosen by the type of its first argument.

    The choice is made when a kernel is compiled, from the types of its arguments, so that the kernel is cached for each
    of them, which one that captures a function is not.

    Parameters
    ----------
    functions : dict
        Classes of NamedTuple to compiled functions of arguments of the same names.
    """
    first, *rest = inspect.signature(next(iter(functions.values())).py_func).parameters
    names = ", ".join([first, *rest])
    made = {"functions": functions}
    # by names, since Numba inlines no functions of *arguments, and each one that is not takes a second to compile
    exec(f"def choose({names}):\n    return functions[type({first})]({names})\n"
         f"def choice({names}):\n    function = functions[{first}.instance_class]\n"
         f"    return lambda {names}: function({names})\n", made)
    overload(made["choose"], inline="always")(made["choice"])
    return made["choose"]


def prepared(function, *arguments):
    """A compiled function for arguments of these types, as it is called without a look at their types.

    For small functions that are called very often: telling the types of a record costs as much as a drift.
    """
    if UNCOMPILED:
        return function
    key = function, *(compute_fingerprint(argument) for argument in arguments)
    if key not in _prepared:
        signature = tuple(numba.typeof(argument) for argument in arguments)
        function.compile(signature)
        _prepared[key] = function.get_overload(signature)
    return _prepared[key]


_prepared = {}
