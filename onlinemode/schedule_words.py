"""Schedules in words, such as "power:3,10,-1": what they say, and how they are written."""

from onlinemode import checks
from onlinemode.errors import ParameterError

WORDS = ("power:FIRST,SCALE,EXPONENT", "inverse:FIRST,SCALE", "exp:FIRST,TIME[,LAST]", "cosine:FIRST,LAST,UNTIL",
         "warmup:LAST,UNTIL[,FIRST]", "steps:FIRST,ALPHA=VALUE,...", "linear:ALPHA=VALUE,...", "log:ALPHA=VALUE,...")
POWER, EXPONENTIAL, COSINE, STEPS, LINEAR, LOGARITHMIC = "power", "exp", "cosine", "steps", "linear", "log"
INVERSE, WARMUP, CONSTANT = "inverse", "warmup", "constant"  # words for what is one of those, or a number
PARAMETERS = {POWER: ("first", "scale", "exponent"), INVERSE: ("first", "scale"),
              EXPONENTIAL: ("first", "time", "last"), COSINE: ("first", "last", "until"),
              WARMUP: ("last", "until", "first"), CONSTANT: ("value",)}
DURATIONS = ("scale", "time", "until")  # parameters that are times
_DEFAULTS = {EXPONENTIAL: (0.0,), WARMUP: (0.0,)}  # of their last parameters
_OTHER_NAMES = {"α0": "scale", "alpha0": "scale", "a0": "scale"}
_KINDS = [word.partition(":")[0] for word in WORDS]


def parsed(word: str) -> tuple[str, tuple[float, ...]]:
    """Kind and numbers of a word.

    Parameters
    ----------
    word : str
        One of :data:`WORDS`, or a number; capitals do not count.

    Returns
    -------
    kind : str
        "constant" of a number.
    numbers : tuple of float
        In the order of :data:`PARAMETERS`; of the kinds with times pairs of time and value, of steps the first value
        before them.

    Raises
    ------
    ParameterError
        If it is none.
    """
    if not isinstance(word, str):
        raise ParameterError(f"a schedule in words is text, such as 'power:3,10,-1'; got {checks.one_line(word)}")
    kind, colon, rest = word.strip().partition(":")
    kind = kind.strip().casefold()
    if not colon and (number := _number(word)) is not None:
        return CONSTANT, (number,)
    if kind not in PARAMETERS and kind not in _KINDS:
        raise ParameterError(f"{checks.one_line(word)} is neither a number nor a schedule: {', '.join(_KINDS)}, as in "
                             "power:3,10,-1")
    parts = [part.strip() for part in rest.split(",")]
    if kind in PARAMETERS:
        return kind, _values(kind, parts, word)
    if kind != STEPS:
        return kind, _pairs(parts, word)
    if "=" not in parts[0]:
        first = _number(parts.pop(0))
        if first is None:
            raise ParameterError(f"a schedule of steps begins with a number, as in steps:3,50=1; got {word!r}")
        return kind, (first, *_pairs(parts, word))
    pairs = _pairs(parts, word)
    if pairs[0] != 0.0:
        raise ParameterError(f"a schedule of steps begins at 0, as in steps:3,50=1; got {word!r}")
    return kind, pairs[1:]


def written(kind: str, numbers: tuple[float, ...]) -> str:
    """The word of a kind and its numbers, which :func:`parsed` reads.

    Parameters
    ----------
    kind : str
        One of those in :data:`WORDS`.
    numbers : tuple of float
        As :func:`parsed` gives them.

    Returns
    -------
    str
        With all digits.
    """
    shown = [str(int(each)) if each == int(each) and abs(each) < 1e15 else repr(each) for each in numbers]
    if kind in PARAMETERS:
        return f"{kind}:{','.join(shown)}"
    first = [shown.pop(0)] if kind == STEPS else []
    return f"{kind}:{','.join(first + [f'{a}={value}' for a, value in zip(shown[::2], shown[1::2])])}"


def _number(word):
    try:
        return float(word)
    except ValueError:
        return None


def _pairs(parts, word):
    pairs = [tuple(map(_number, part.split("="))) for part in parts]
    if any(len(pair) != 2 or None in pair for pair in pairs):
        raise ParameterError(f"times and values of a schedule are written as in 50=1,100=0.3; got {word!r}")
    return tuple(number for pair in pairs for number in pair)


def _values(kind, parts, word):
    """Of parameters, which have their order or their names."""
    names, defaults = PARAMETERS[kind], _DEFAULTS.get(kind, ())
    found = {}
    for position, part in enumerate(parts):
        key, equals, number = part.rpartition("=")
        key = key.strip().casefold() if equals else names[position] if position < len(names) else part
        key, value = _OTHER_NAMES.get(key, key), _number(number)
        if key not in names or key in found or value is None:
            usual = next(each for each in (*WORDS, "constant:VALUE") if each.startswith(kind))
            raise ParameterError(f"the schedule {kind} is written {usual}; got {word!r}")
        found[key] = value
    values = dict(zip(names[len(names) - len(defaults):], defaults)) | found
    if len(values) < len(names):
        raise ParameterError(f"the schedule {kind} has the numbers {', '.join(names)}; got {word!r}")
    return tuple(values[name] for name in names)
