"""Standard output and error for any encoding, closed or full: no run ends because its words cannot be written."""

import errno
import os
import re
import sys

from onlinemode.cli.exit_codes import DOUBTFUL

READABLE = {
    "α": "alpha", "ε": "eps", "η": "eta", "κ": "kappa", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau", "π": "pi",
    "μ": "u", "µ": "u", "Δ": "Delta", "Σ": "Sigma", "Ω": "Omega", "±": "+-", "√": "sqrt ", "·": "*", "×": "x",
    "−": "-", "–": "-", "…": "...", "→": "->", "≥": ">=", "≤": "<=", "≠": "!=", "≈": "~", "∞": "infinity", "²": "^2",
    "³": "^3", "½": "1/2", "¼": "1/4", "⟨": "<", "⟩": ">", "’": "'", "“": '"', "”": '"',
}


def in_encoding(text, encoding):
    """The text, with letters that the encoding lacks spelled out: alpha for α; columns of a table keep their places.

    Bytes of a file name that are no text (Python holds them as surrogates) become \\xe9 and the like.
    """
    text = re.sub("[\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) - 0xdc00:02x}", text)
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        spelled = re.sub(r"( *)(\S+)", lambda match: _spelled(*match.groups(), encoding), text)
        return spelled.encode(encoding, "backslashreplace").decode(encoding)


def _spelled(spaces, word, encoding):
    new = "".join(letter if _has(letter, encoding) else READABLE.get(letter, letter) for letter in word)
    longer = min(len(new) - len(word), len(spaces) - 2)
    return spaces[max(longer, 0):] + new


def _has(letter, encoding):
    try:
        letter.encode(encoding)
        return True
    except UnicodeEncodeError:
        return False


class Stream:
    """A text stream that takes everything.

    Parameters
    ----------
    stream : text stream or None
        None where it was closed before Python began.

    Attributes
    ----------
    problem : OSError or None
        Why something that was written is lost.  What comes after it is dropped.
    """

    errors = "backslashreplace"

    def __init__(self, stream):
        self._stream, self.problem = stream, None
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text):
        text = in_encoding(text, self.encoding)
        if self._stream is None and text:
            self.problem = OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._do("write", text)
        return len(text)

    def flush(self):
        self._do("flush")

    def isatty(self):
        return self._stream is not None and self._stream.isatty()

    def fileno(self):
        """Of the terminal, whose width a progress bar asks for."""
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.fileno()

    def writable(self):
        return True

    def _do(self, method, *arguments):
        if self._stream is None or self.problem is not None:
            return
        try:
            getattr(self._stream, method)(*arguments)
        except OSError as problem:
            self.problem = problem
            self._abandon()

    def _abandon(self):
        """What is left in its buffer goes nowhere, or Python would try once more at its end."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except OSError:  # a stream without a descriptor
            pass


class Streams:
    """While entered, ``sys.stdout`` and ``sys.stderr`` are such streams."""

    def __enter__(self):
        _fill_closed_descriptors()
        self._before = sys.stdout, sys.stderr
        self.out, self.err = Stream(sys.stdout), Stream(sys.stderr)
        sys.stdout, sys.stderr = self.out, self.err
        return self

    def __exit__(self, *_):
        sys.stdout, sys.stderr = self._before

    def end(self, code):
        """Write what is left, say what was lost, and return the exit code."""
        self.out.flush()
        if self.out.problem is not None:
            code = code or DOUBTFUL
            if not isinstance(self.out.problem, BrokenPipeError):  # whoever closed a pipe has seen enough
                print(f"onlinemode: cannot write to standard output ({self.out.problem.strerror}); files are not "
                      "affected", file=sys.stderr)
        self.err.flush()
        return code


def _fill_closed_descriptors():
    """A file that is opened must not get the number of standard output or error, where libraries may write."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
