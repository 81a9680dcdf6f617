"""Ctrl-C, SIGTERM and SIGHUP (a terminal that is closed): a command stops, and what was computed is saved."""

import math
import signal
import sys
import threading
import time

from onlinemode.cli.exit_codes import INTERRUPTED, OF_SIGNALS

SECONDS_TO_SAVE = 5.0
SECONDS_TO_RAISE_AGAIN = 0.05
_NAMES = ("SIGTERM", "SIGHUP")  # Windows has one of them


class Terminations:
    """While entered, one of these signals raises KeyboardInterrupt in the main thread.

    Of SIGTERM and SIGHUP those that follow within SECONDS_TO_SAVE are ignored, so that they do not stop the saving.
    One that came where Python drops exceptions, as in a destructor, is raised again a moment later.  A signal that was
    ignored before, as SIGHUP is under nohup, stays so.
    """

    def __enter__(self):
        self._number, self._came, self._before = None, 0.0, {}
        self._hook = sys.unraisablehook
        if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
            for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._terminate)
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see onlinemode.cli.process
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.unraisablehook = self._raise_again
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook

    def _terminate(self, number, frame):
        now = time.monotonic()
        if self._number is None or now - self._came > SECONDS_TO_SAVE:
            self._number, self._came = self._number or number, now
            raise KeyboardInterrupt

    def _raise_again(self, dropped):
        if dropped.exc_type is not KeyboardInterrupt:
            self._hook(dropped)
            return
        self._came = -math.inf
        again = threading.Timer(SECONDS_TO_RAISE_AGAIN, signal.raise_signal, [self._number or signal.SIGINT])
        again.daemon = True
        again.start()

    def exit_code(self, code):
        """The code of a command that ended with ``code``: that of Ctrl-C becomes that of the signal."""
        return OF_SIGNALS + self._number if self._number is not None and code == INTERRUPTED else code
