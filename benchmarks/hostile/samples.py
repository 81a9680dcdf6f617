"""The files that random lines name, in a folder of their own: good ones, bad ones, and results of all kinds."""

import os
from pathlib import Path

from hostile.words import SMALL

MAKE = """import onlinemode as om

def make(eta=1.0, noise=0.0, seed=0):
    return om.Experiment(N=40, K=2, alpha=1.0, engine="chain", eta=eta, noise=noise, seed=seed)

def broken(eta=1.0):
    raise RuntimeError("broken on purpose")
"""


def make_files(folder):
    """Make them in ``folder``; imports and compiles everything on the way."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        _make_results()
        _make_data()
        _make_texts()
        Path("folder").mkdir()
    finally:
        os.chdir(here)


def run(*arguments):
    """A command line that must succeed, in this process."""
    from onlinemode.cli.main import main

    try:
        main([*arguments, "-q"])
    except SystemExit as end:
        assert end.code == 0, (arguments, end.code)


def _make_results():
    import onlinemode as om

    common = ("--N", "40", "--K", "2", "--alpha", "1", "--no-plot")
    run("simulate", *common, "--out", "micro.npz", "--no-theory")
    run("simulate", *common, "--engine", "chain", "--out", "chain.npz", "--replicas", "3")
    run("ode", *common, "--out", "ode.npz")
    run("ode", *common, "--activation", "tanh", "--nodes", "64", "--out", "tanh.npz")
    run("ode", *common, "--activation", "relu", "--nodes", "64", "--out", "relu.npz")
    run("compare", *common[:-1], "--out", "compare")
    run("simulate", *common, "--eta", "1e4", "--out", "diverged.npz", "--no-theory")
    run("sweep", "--over", "eta=1,1e4", "--over", "noise=0,0.5", *common, "--out", "swept")
    leave_checkpoint("unfinished.ckpt", om.initial.committee(40, K=2), 1e5, "chain")


def stop_in_the_middle(progress):
    """Reports of progress go here; presses Ctrl-C."""
    if progress.fraction > 0.0:
        raise KeyboardInterrupt


def leave_checkpoint(path, start, alpha, engine):
    """The checkpoint of a run that stopped in its middle."""
    import onlinemode as om

    om.simulate(om.Problem(rates=om.LearningRates(xi_in=1.0)), start, alpha, engine, checkpoint=path,
                progress=stop_in_the_middle)


def run_and_interrupt(*arguments):
    """A command line that is stopped in its middle, and leaves its checkpoint."""
    from onlinemode.cli.deep_options import EpochBar
    from onlinemode.cli.main import main
    from onlinemode.cli.running import ProgressBar

    usual = {bar: bar.__call__ for bar in (ProgressBar, EpochBar)}
    for bar in usual:
        bar.__call__ = lambda self, progress: stop_in_the_middle(progress)
    try:
        main([*arguments, "-q"])
    except SystemExit as end:
        assert end.code == 130, (arguments, end.code)
    finally:
        for bar, call in usual.items():
            bar.__call__ = call


def _make_data():
    import numpy as np

    generator = np.random.default_rng(0)
    np.save("rows.npy", generator.standard_normal((60, 40)))
    labels = generator.integers(0, 3, 200)
    points = generator.standard_normal((200, 6)) + labels[:, None]
    np.savez("data.npz", train_x=points, train_y=labels, test_x=points[:50], test_y=labels[:50])
    run("deep", "train", *SMALL["deep train"], "--out", "deep.npz", "--no-plot")


def _make_texts():
    Path("damaged.npz").write_bytes(Path("micro.npz").read_bytes()[:1500])
    Path("empty.npz").write_bytes(b"")
    Path("text.txt").write_text("not a run\n")
    Path("own.py").write_text("def softsign(z):\n    return z / (1 + abs(z))\n\n\ndef pole(z):\n    return 1 / z\n")
    Path("points.csv").write_text("K,eta\n1,1.0\n2,0.5\n")
    Path("make.py").write_text(MAKE)
    Path("sweep.toml").write_text('seeds = 2\nobservables = ["Q"]\n[over]\neta = "1:2:2"\n'
                                  '"noise,batch" = [[0, 1], [0.1, 2]]\n')
    Path("good.toml").write_text('eta = 2.0\nactivation = "erf"\n')
    Path("bom.toml").write_bytes(b"\xef\xbb\xbfeta = 2.0\r\n")
    Path("latin.toml").write_bytes("# \xfc\neta = 2.0\n".encode("latin-1"))
    Path("bad.toml").write_text("eta = [1, \nfoo")
    Path("overlaps.toml").write_text("Q = [[1.0, 0.0], [0.0, 1.0]]\nR = [[0.1, 0.0], [0.0, 0.2]]\n"
                                     "T = [[1.0, 0.0], [0.0, 1.0]]\n")
    Path("odd-matplotlibrc").write_text("text.usetex: True\nsavefig.format: pdf\nfont.family: No Such Font\n")
