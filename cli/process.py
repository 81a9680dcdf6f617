"""The process of a command, from its first moment to its last: it ends with its exit code, however it is stopped."""

import atexit
import os
import signal
import sys
from contextlib import suppress


def main():
    """Run the command line of this process, and end it.

    Before there is something to be saved, and when all is, Ctrl-C ends the process at once, as SIGTERM does.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from onlinemode.cli.exit_codes import INTERRUPTED, OF_SIGNALS
    from onlinemode.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if end.code < OF_SIGNALS:
            raise
        _leave(end.code)
    except KeyboardInterrupt:  # when all was done
        _leave(INTERRUPTED)


def _leave(code):
    """End the process after a signal, and wait for no thread; Python itself may end with the code of Ctrl-C.

    Libraries close what they have open, and are not heard about what they find half made.
    """
    sys.unraisablehook = lambda _: None
    with suppress(BaseException):
        atexit._run_exitfuncs()
    with suppress(BaseException):
        sys.stdout.flush()
    os._exit(code)
