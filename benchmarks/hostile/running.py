"""Running a command line in a process and a folder of its own, with a limit of memory and of time, and judging it."""

import io
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

FINE = {0, 2, 130, 143}
SECONDS = 60.0  # that a line may take on an idle machine
TO_STOP = 20.0  # and from Ctrl-C on
BYTES = 8 * 2**30
WRONG = re.compile(r"Traceback|\w*Warning\b|encountered in|Exception ignored|Fatal|Segmentation")
NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}  # downloads end there


class Outcome(NamedTuple):
    """What came of a line: what is wrong with it ("" where nothing is), exit code, output, and most memory in bytes."""

    complaint: str
    code: int
    printed: str
    peak: int


def outcome(line, template, folder):
    """Run a line in a copy of ``template``."""
    shutil.copytree(template, folder)
    for name, content in line.files.items():
        (folder / name).write_bytes(content)
    before = {path.name for path in folder.iterdir()}
    code, printed, complaint, late, peak = (_in_shell if line.needs_shell else in_fork)(line, folder)
    lost = ">/dev/full" in line.redirection or "&-" in line.redirection or "head" in line.redirection
    more = {1} if lost or "repeat" in line.arguments else set()
    complaint = complaint or wrong_in(code, "lost" if lost and not printed else printed, late, more)
    left = [path.name for path in folder.iterdir() if path.name not in before and path.name.startswith(".")]
    if not complaint and left:
        complaint = f"left {left}"
    return Outcome(complaint, code, printed, peak)


def wrong_in(code, printed, late, more=()):
    """What is wrong with an exit code and an output, or nothing; ``more`` are other codes that are fine."""
    if late:
        return f"did not stop within {patience(TO_STOP):.0f} s of Ctrl-C"
    if code not in FINE | set(more):
        return f"exit code {code}"
    if code == 2 and not printed.strip():
        return "exit code 2 without a word"
    found = WRONG.search(printed)
    return f"printed {found[0]}" if found else ""


def patience(seconds):
    """These seconds, and more where the cores have more to do than one thing each."""
    return seconds * max(1.0, os.getloadavg()[0] / os.cpu_count())


def in_fork(line, folder, seconds=SECONDS):
    """In a child of this process, with its streams in a file."""
    place = folder.with_name(folder.name + ".printed")
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = _child(line, folder, place)
        finally:
            os._exit(code)
    code, late, peak = _wait(pid, seconds)
    printed = place.read_bytes().decode("utf-8", "backslashreplace")
    place.unlink()
    return code, printed, "" if code != 98 else "an exception left main()", late, peak


def _wait(pid, seconds):
    """Exit code; Ctrl-C after these seconds, and whether that did not end it; most memory."""
    began, asked, seconds, to_stop = time.monotonic(), False, patience(seconds), patience(TO_STOP)
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), False, used.ru_maxrss * 1024
        if not asked and time.monotonic() - began > seconds:
            os.kill(pid, signal.SIGINT)
            asked = True
        if time.monotonic() - began > seconds + to_stop:
            os.kill(pid, signal.SIGKILL)
            _, status, used = os.wait4(pid, 0)
            return os.waitstatus_to_exitcode(status), True, used.ru_maxrss * 1024
        time.sleep(0.01)


def _child(line, folder, place):
    from onlinemode.cli.main import main

    os.chdir(folder)
    os.environ.update(NO_NETWORK)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stream = os.open(place, os.O_WRONLY | os.O_CREAT)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding=line.encoding, errors="strict")
    sys.stderr = io.TextIOWrapper(open(2, "wb", 0, closefd=False), encoding=line.encoding, errors="backslashreplace",
                                  write_through=True)
    try:
        main(line.arguments)
    except SystemExit as end:
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else 97
    except BaseException:
        traceback.print_exc()
        return 98
    return 96


def _in_shell(line, folder):
    """As a user's shell starts it; what it printed where the streams were left open."""
    words = " ".join(shlex.quote(argument) for argument in [str(Path(sys.executable).parent / "onlinemode"),
                                                            *line.arguments])
    place = folder.with_name(folder.name + ".printed")
    script = f"ulimit -v {BYTES // 1024}; set -o pipefail; {{ {words} {line.redirection}; }}"
    with open(place, "wb") as stream:
        process = subprocess.Popen(["bash", "-c", script], cwd=folder, stdout=stream, stderr=stream,
                                   env={**os.environ, **NO_NETWORK, **line.environment}, start_new_session=True)
        late = False
        try:
            code = process.wait(patience(SECONDS))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            try:
                code = process.wait(patience(TO_STOP))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code, late = process.wait(), True
    printed = place.read_bytes().decode("utf-8", "backslashreplace")
    place.unlink()
    return code, printed, "", late, 0
