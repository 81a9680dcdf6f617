"""SIGTERM and SIGHUP (a terminal that is closed) end a command as Ctrl-C does: what was computed is saved."""

import signal
import threading
import time

from onlinemode.cli.exit_codes import INTERRUPTED, OF_SIGNALS

SECONDS_TO_SAVE = 5.0
_NAMES = ("SIGTERM", "SIGHUP")  # Windows has one of them


class Terminations:
    """While entered, one of these signals raises KeyboardInterrupt in the main thread.

    Those that follow within SECONDS_TO_SAVE are ignored, so that they do not stop the saving; later ones raise again,
    for the first may have come where Python drops exceptions.  A signal that was ignored before, as SIGHUP is under
    nohup, stays so.
    """

    def __enter__(self):
        self._number, self._came, self._before = None, 0.0, {}
        if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
            for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._terminate)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _terminate(self, number, frame):
        now = time.monotonic()
        if self._number is None or now - self._came > SECONDS_TO_SAVE:
            self._number, self._came = self._number or number, now
            raise KeyboardInterrupt

    def exit_code(self, code):
        """The code of a command that ended with ``code``: that of Ctrl-C becomes that of the signal."""
        return OF_SIGNALS + self._number if self._number is not None and code == INTERRUPTED else code
