"""How a command ends: all exit codes of ``onlinemode`` (docs/reference/exit-codes.md says what is on disk then)."""

DONE = 0  # what was asked for is made; a simulation that diverged is, too, and says so
DOUBTFUL = 1  # it went to its end, but standard output was lost, or a repeated run is not equal to its file
FAILED = 2  # bad input, a file, memory, a training that diverged, a sweep without a point that could be run
OF_SIGNALS = 128  # and the number of the signal, as shells have it
INTERRUPTED = OF_SIGNALS + 2  # Ctrl-C; what was computed is saved

HELP = ("Exit codes: 0 done; 1 done, but standard output was lost or a repeated run differs; 2 not done, one line says "
        "why; 130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP, what was computed is saved "
        "(docs/reference/exit-codes.md).")
