"""Random command lines of onlinemode, made from its own options, and what came of each.

    python tests/random_commands.py 3000 --seed 1

Every line runs in a process and a folder of its own.  Most are forked from one that has imported everything; some are
started by the shell, with a stream closed or full, in another encoding, or in another environment.
"""

import argparse
import io
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import click

COMMANDS = ("simulate", "ode", "compare", "sweep", "plot", "repeat", "benchmark", "deep train", "deep modes",
            "deep prune", "deep geometry", "deep width")
SMALL = {  # given first, so that a line without them is no long run
    **dict.fromkeys(("simulate", "ode", "compare"), ["--N", "40", "--alpha", "1", "--K", "2"]),
    "sweep": ["--N", "40", "--alpha", "1", "--K", "2"], "benchmark": ["--N", "200", "--rounds", "1", "--K", "2"],
    "deep train": ["--epochs", "1", "--data", "data.npz", "--hidden", "4", "--modes", "2", "--batch", "50"],
    "deep width": ["--epochs", "1", "--data", "data.npz", "--batch", "50"]}
USUAL = {
    "N": ["10", "40", "1e2", "7", "200"], "K": ["1", "2", "3"], "M": ["1", "2", "3"], "P": ["1", "2", "3"],
    "alpha": ["0.1", "1", "2.5"], "eta": ["0", "1", "3", "40"], "eta_strengths": ["0.1"], "eta_xi_out": ["0.2"],
    "eta_readout": ["0.1"], "activation": ["erf", "linear", "relu", "tanh", "ReLU"], "noise": ["0", "0.3"],
    "weight_decay": ["0", "0.1"], "batch": ["1", "3"], "save_at": ["2", "20", "0,0.5,1", "0.1,0.1", "1,0.5"],
    "inputs": ["gaussian", "rademacher", "uniform", "power-law:1", "manifold:D=5,erf", "rows.npy", "rows.npy:raw",
               "manifold:D=0,erf", "power-law:", "gone.npy"],
    "test_samples": ["10"], "init": ["showcase", "paper", "committee", "graded"], "readout": ["mean", "sum", "sqrt"],
    "student_size": ["0.1", "1e4"], "preset": ["showcase", "paper"], "engine": ["micro", "chain", "ode", "micro,ode",
                                                                              "micro,chain,ode", "Chain"],
    "engines": ["micro,ode", "chain,ode", "micro,chain,ode"], "device": ["cpu", "auto", "cuda"],
    "precision": ["float64", "float32"], "replicas": ["1", "3"], "keep": ["all", "summary"], "threads": ["1", "2"],
    "method": ["LSODA", "RK45", "DOP853", "BDF", "Radau", "rk45"], "rtol": ["1e-6"], "atol": ["1e-8"],
    "nodes": ["64", "256", "100"], "seed": ["0", "1", "12345678901234567890"], "checkpoint": ["c.ckpt", "gone/c.ckpt"],
    "every": ["0.01", "10"], "resume": ["unfinished.ckpt", "micro.npz", "gone.ckpt"],
    "out": ["a", "b.npz", "c.png", "micro.npz", "folder", "gone/d", "ü ε", "x" * 240, "x" * 251, "x" * 300],
    "config": ["good.toml", "bom.toml", "latin.toml", "bad.toml", "gone.toml", "folder", "micro.npz"],
    "start": ["micro.npz", "chain.npz", "ode.npz", "overlaps.toml", "good.toml", "gone.npz", "damaged.npz"],
    "quantiles": ["0.5", "0.1,0.9", "0.9,0.1", "2"],
    "over": ["eta=1,2", "eta=0.5:2:3", "N=20:100:3:log", "seed=0,1", "noise=0,0", "activation=erf,tanh", "K=1,2",
             "eta=1", "alpha=1,nan", "out=1,2", "eta", "=", "eta=:::", "init=paper,committee", "inputs=gaussian",
             "K,M=1,1;2,2", "eta,noise=1,0;2", "points.csv", "gone.csv", "engine=ode,chain", "rtol=1e-3,1e-6",
             "eta=-1,1", "fresh_students=true,false", "N=1:5:9"],
    "files": ["micro.npz", "chain.npz", "ode.npz", "micro.npz", "swept", "damaged.npz", "data.npz", "gone.npz", ".",
              "text.txt", "deep.npz", "unfinished.ckpt", "empty.npz", "diverged.npz"],
    "file": ["micro.npz", "chain.npz", "ode.npz", "damaged.npz", "gone.npz", "folder", "empty.npz", "deep.npz"],
    "deep files": ["deep.npz", "deep.npz", "micro.npz", "damaged.npz", "gone.npz", "."],
    "data": ["gaussian-mixture", "data.npz", "micro.npz", "fashion-mnist", "gone.npz"], "data_dir": ["folder", "gone"],
    "variant": ["dense", "1L2P", "1L1P", "two-factor", "SVD", "svd"], "hidden": ["4", "4,3", "4,,3"],
    "modes": ["2", "2,2", "2,2,2", "99"], "loss": ["cross-entropy", "mse"], "epochs": ["1", "2"], "rate": ["0.01"],
    "halve_every": ["1"], "decay": ["0", "1e-4"], "repeats": ["1", "2"], "sizes": ["100", "50,200"], "rounds": ["1"],
    "against": ["deep.npz", "gone.npz"], "widths": ["4", "4,8"], "seeds": ["1", "2"],
    "observables": ["none", "Q", "generalization_error,R", "frob"], "scheduler": ["x", "127.0.0.1:x"],
    "processes": ["1", "0"], "workers": ["0", "x"], "variable": ["final_error", "specialized_at", "frob"],
    "contours": ["swept", "folder", "gone"], "seconds": ["0.2", "1"], "fps": ["10", "20"],
    "sweep files": ["sweep.toml", "sweep.toml", "good.toml", "bad.toml", "gone.toml", "swept"]}
STRANGE = ["", " ", "0", "-1", "1", "2", "-0.0", "0.5", "nan", "inf", "-inf", "1e308", "1e-320", "1e18", "1e4x", "1,2",
           ",", "٣", "1_0", "0x10", "½", "9" * 40, "9" * 300, "None", "true", "[1]", "a\0b", "\udcff", "ü", "日本",
           "$(x)", "-", "--", "%s", "{0}", "\n", "a/b", "/", ".", "..", "~", "x" * 300, "x" * 5000]
ENCODINGS = ("utf-8", "cp1252", "ascii", "latin-1", "cp437")
ENVIRONMENTS = ({"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
                {"PYTHONIOENCODING": "ascii"}, {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
                {"MPLBACKEND": "TkAgg"}, {"MPLBACKEND": "nonsense"}, {"MATPLOTLIBRC": "odd-matplotlibrc"},
                {"COLUMNS": "1"}, {"TERM": ""}, {"HOME": "/nonexistent"}, {"PYTHONWARNINGS": "always"},
                {"PYTHONUNBUFFERED": "1"}, {"TZ": "nonsense"}, {"NO_COLOR": "1"})
REDIRECTIONS = ("2>&-", ">&-", "<&-", ">/dev/full", "2>/dev/full", ">&- 2>&-", "| head -c 10", "</dev/null", ">out.txt")
FINE = {0, 2, 130, 143}
SECONDS = 60.0
BYTES = 8 * 2**30


class Line(NamedTuple):
    """A command line; ``environment`` and ``redirection`` need the shell."""

    arguments: list
    encoding: str = "utf-8"
    environment: dict = {}
    redirection: str = ""

    @property
    def needs_shell(self):
        return bool(self.environment or self.redirection)

    def __str__(self):
        words = [f"{name}={value}" for name, value in self.environment.items()] + ["onlinemode"]
        words += [shlex.quote(argument) for argument in self.arguments] + [self.redirection]
        text = " ".join(word for word in words if word) + ("" if self.encoding == "utf-8" else f"  [{self.encoding}]")
        return text.encode("unicode_escape").decode()[:600]


def parameters(command):
    """The click parameters of a command, without --help."""
    from onlinemode.cli.main import onlinemode

    group = onlinemode
    for word in command.split():
        group = group.get_command(None, word)
    return group.params


def random_line(generator, shell=0.0):
    """A line; the share ``shell`` of them runs in a shell with unusual streams or environment."""
    command = generator.choices(COMMANDS, [8, 4, 6, 6, 5, 3, 1, 3, 2, 2, 2, 1])[0]
    arguments = command.split() + list(SMALL.get(command, []))
    strange = generator.choice([0.0, 0.0, 0.0, 0.1, 0.4])
    options = [each for each in parameters(command) if isinstance(each, click.Option)]
    chosen = generator.sample(options, min(len(options), generator.choice([0, 1, 1, 2, 3, 5, 8])))
    if command == "sweep" and generator.random() < 0.9:
        chosen = [each for each in options if each.name == "over"] + chosen
    if generator.random() < 0.6:
        arguments += ["--no-plot"] if any(each.name == "plot" for each in options) else []
    for option in chosen:
        arguments += _option(generator, option, strange)
    for argument in (each for each in parameters(command) if isinstance(each, click.Argument)):
        pool = USUAL["deep files"] if command.startswith("deep") else USUAL[argument.name]
        count = generator.choice([0, 1, 1, 1, 2, 3]) if argument.nargs == -1 else 1
        if command == "sweep":
            pool, count = USUAL["sweep files"], generator.choice([0, 0, 0, 1])
        arguments += [_value(generator, pool, strange) for _ in range(count)]
    if generator.random() < 0.03:
        extra = generator.choice(["--help", "--nonsense", "-q", "--", "x"])
        arguments.insert(generator.randrange(len(arguments) + 1), extra)
    if generator.random() < 0.01:
        arguments = arguments[1:]
    if generator.random() >= shell:
        return Line(arguments, generator.choice([*ENCODINGS, "utf-8", "utf-8", "utf-8"]))
    arguments = [argument for argument in arguments if "\0" not in argument]
    environment = generator.choice([{}, generator.choice(ENVIRONMENTS)])
    return Line(arguments, "utf-8", environment, generator.choice(REDIRECTIONS) if not environment else
                generator.choice(["", "", generator.choice(REDIRECTIONS)]))


def _option(generator, option, strange):
    name = generator.choice([*option.opts, *option.secondary_opts])
    if option.name == "animated":
        return [name, "--seconds", "0.2"]
    if option.is_flag:
        return [name]
    return [name, _value(generator, USUAL.get(option.name, STRANGE), strange)]


def _value(generator, usual, strange):
    return generator.choice(STRANGE if generator.random() < strange else usual)


def make_files(folder):
    """The files that the lines name, in ``folder``; imports and compiles everything on the way."""
    import numpy as np

    import onlinemode as om
    from onlinemode.cli.main import main

    def run(*arguments):
        try:
            main([*arguments, "-q"])
        except SystemExit as end:
            assert end.code == 0, (arguments, end.code)

    here = Path.cwd()
    os.chdir(folder)
    try:
        common = ("--N", "40", "--K", "2", "--alpha", "1", "--no-plot")
        run("simulate", *common, "--out", "micro.npz", "--no-theory")
        run("simulate", *common, "--engine", "chain", "--out", "chain.npz", "--replicas", "3")
        run("ode", *common, "--out", "ode.npz")
        run("ode", *common, "--activation", "tanh", "--nodes", "64", "--out", "tanh.npz")
        run("ode", *common, "--activation", "relu", "--nodes", "64", "--out", "relu.npz")
        run("compare", *common[:-1], "--out", "compare")
        run("simulate", *common, "--eta", "1e4", "--out", "diverged.npz", "--no-theory")
        run("sweep", "--over", "eta=1,1e4", "--over", "noise=0,0.5", *common, "--out", "swept")
        generator = np.random.default_rng(0)
        np.save("rows.npy", generator.standard_normal((60, 40)))
        labels = generator.integers(0, 3, 200)
        points = generator.standard_normal((200, 6)) + labels[:, None]
        np.savez("data.npz", train_x=points, train_y=labels, test_x=points[:50], test_y=labels[:50])
        run("deep", "train", *SMALL["deep train"], "--out", "deep.npz", "--no-plot")
        problem = om.Problem(rates=om.LearningRates(xi_in=1.0))
        _leave_checkpoint(om, problem)
        Path("damaged.npz").write_bytes(Path("micro.npz").read_bytes()[:1500])
        Path("empty.npz").write_bytes(b"")
        Path("text.txt").write_text("not a run\n")
        Path("points.csv").write_text("K,eta\n1,1.0\n2,0.5\n")
        Path("sweep.toml").write_text('seeds = 2\nobservables = ["Q"]\n[over]\neta = "1:2:2"\n'
                                      '"noise,batch" = [[0, 1], [0.1, 2]]\n')
        Path("good.toml").write_text('eta = 2.0\nactivation = "erf"\n')
        Path("bom.toml").write_bytes(b"\xef\xbb\xbfeta = 2.0\r\n")
        Path("latin.toml").write_bytes("# \xfc\neta = 2.0\n".encode("latin-1"))
        Path("bad.toml").write_text("eta = [1, \nfoo")
        Path("overlaps.toml").write_text("Q = [[1.0, 0.0], [0.0, 1.0]]\nR = [[0.1, 0.0], [0.0, 0.2]]\n"
                                         "T = [[1.0, 0.0], [0.0, 1.0]]\n")
        Path("odd-matplotlibrc").write_text("text.usetex: True\nsavefig.format: pdf\nfont.family: No Such Font\n")
        Path("folder").mkdir()
    finally:
        os.chdir(here)


def _leave_checkpoint(om, problem):
    """unfinished.ckpt, of a run that stopped in its middle."""
    def stop(progress):
        if progress.fraction > 0.0:
            raise KeyboardInterrupt

    om.simulate(problem, om.initial.committee(40, K=2), 1e5, "chain", checkpoint="unfinished.ckpt", progress=stop)


def outcome(line, template, folder):
    """Run a line in a copy of ``template``: what is wrong with the outcome ("" where nothing is), exit code, output."""
    shutil.copytree(template, folder)
    before = {path.name for path in folder.iterdir()}
    code, printed, complaint, late = (_in_shell if line.needs_shell else _in_fork)(line, folder)
    lost = ">/dev/full" in line.redirection or "&-" in line.redirection or "head" in line.redirection
    if not complaint and late:
        complaint = "did not stop within 20 s of Ctrl-C"
    if not complaint and code not in FINE | ({1} if lost or "repeat" in line.arguments else set()):
        complaint = f"exit code {code}"
    if not complaint and code == 2 and not lost and not printed.strip():
        complaint = "exit code 2 without a word"
    if not complaint and (found := re.search(r"Traceback|\w*Warning\b|Exception ignored|Fatal|Segmentation", printed)):
        complaint = f"printed {found[0]}"
    left = [path.name for path in folder.iterdir() if path.name not in before and path.name.startswith(".")]
    if not complaint and left:
        complaint = f"left {left}"
    return complaint, code, printed


def _wait(pid):
    """Exit code; Ctrl-C after SECONDS, and whether that did not end it."""
    began, asked = time.monotonic(), False
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), False
        if not asked and time.monotonic() - began > SECONDS:
            os.kill(pid, signal.SIGINT)
            asked = True
        if time.monotonic() - began > SECONDS + 20.0:
            os.kill(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), True
        time.sleep(0.01)


def _in_fork(line, folder):
    """In a child of this process, with its streams in a file."""
    place = folder.with_name(folder.name + ".printed")
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = _child(line, folder, place)
        finally:
            os._exit(code)
    code, late = _wait(pid)
    printed = place.read_bytes().decode("utf-8", "backslashreplace")
    place.unlink()
    return code, printed, "" if code != 98 else "an exception left main()", late


def _child(line, folder, place):
    from onlinemode.cli.main import main

    os.chdir(folder)
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
                                   env={**os.environ, **line.environment}, start_new_session=True)
        late = False
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            try:
                code = process.wait(20.0)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code, late = process.wait(), True
    printed = place.read_bytes().decode("utf-8", "backslashreplace")
    place.unlink()
    return code, printed, "", late


def check(count, seed, shell, report, first=0, show=False):
    """Run lines number ``first`` to ``count`` of a seed: the number of bad ones, and a Counter of exit codes.

    ``report`` is given a text about every bad line; with ``show`` about all lines.
    """
    bad, codes = 0, Counter()
    with tempfile.TemporaryDirectory() as work:
        template = Path(work) / "template"
        template.mkdir()
        make_files(template)
        for number in range(first, count):
            line = random_line(random.Random(f"{seed} {number}"), shell)
            folder = Path(work) / str(number)
            complaint, code, printed = outcome(line, template, folder)
            codes[code] += 1
            bad += bool(complaint)
            if complaint or show:
                report(f"{number}: {line}\n    {complaint or code}\n{printed[-3000:]}")
            shutil.rmtree(folder, ignore_errors=True)
    return bad, codes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shell", type=float, default=0.15, help="share that a shell starts")
    parser.add_argument("--show", action="store_true", help="print every line with its output")
    given = parser.parse_args()
    began = time.monotonic()
    bad, codes = check(given.count, given.seed, given.shell, lambda text: print(text, flush=True), given.first,
                       given.show)
    seconds = time.monotonic() - began
    print(f"{given.count - given.first} command lines, {bad} bad, exit codes {dict(codes)}, {seconds:.0f} s")
