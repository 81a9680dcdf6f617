"""Kinds of files of simulations: results and checkpoints."""

import tempfile
from pathlib import Path

from hostile.samples import leave_checkpoint, run, run_and_interrupt
from hostile.spoiling import Kind, archive_spoiler, nothing_more, refused_or

SMALL_RUN = ("--N", "40", "--K", "2", "--alpha", "1", "--no-plot")


def _load():
    import onlinemode as om

    return om.load("run.npz")


def _use(trajectory):
    import onlinemode as om

    alone = [lambda: repr(trajectory), lambda: trajectory.generalization_error, trajectory.plateaus,
             lambda: trajectory.specialization, lambda: trajectory.ensemble.standard_error("R"), trajectory.to_xarray,
             lambda: trajectory.save("again.npz"), lambda: trajectory.to_csv("again.csv")]
    for function in alone:
        refused_or(function)
    later = refused_or(lambda: om.go_on(trajectory, float(trajectory.alpha[-1]) + 0.5, save_at=3))
    if later is not None:
        refused_or(lambda: om.join(trajectory, later))
    refused_or(lambda: om.go_on(trajectory, float(trajectory.alpha[-1]) + 0.5, save_at=3, engine="ode"))


def _run_kind(name, *options):
    return Kind(name, lambda: run("simulate", *SMALL_RUN, *options, "--no-theory", "--out", "run.npz"), _load, _use,
                [("plot", "run.npz", "--no-theory", "--csv"), ("repeat", "run.npz", "-q"), ("plot", "run.npz"),
                 ("simulate", "--start", "run.npz", "--alpha", "1.5", "--no-plot")], archive_spoiler("run.npz"))


def _go_on():
    """A run that goes on from another one, with a start of its own each replica."""
    run("simulate", *SMALL_RUN, "--engine", "chain", "--replicas", "2", "--fresh-students", "--no-theory", "--out", "a")
    run("simulate", "--start", "a.npz", "--alpha", "2", "--no-plot", "--no-theory", "--out", "run.npz")


def _checkpoint_kind(engine):
    def make():
        import onlinemode as om

        N, alpha = (1000, 2e4) if engine == "leap" else (40, 1e5)
        leave_checkpoint("run.ckpt", om.initial.committee(N, K=2), alpha, engine)

    def use(_):
        import onlinemode as om

        refused_or(lambda: om.resume("run.ckpt", checkpoint="other.ckpt"))

    return Kind(f"checkpoint of {engine}", make, _read_checkpoint, use, [("simulate", "--resume", "run.ckpt", "-q")],
                archive_spoiler("run.ckpt"))


def _read_checkpoint():
    """What the file holds, once it has proved to be one that a run can go on from."""
    import onlinemode as om
    from onlinemode.runtime.checkpoint import read_checkpoint

    found = read_checkpoint("run.ckpt")
    with tempfile.TemporaryDirectory() as folder:
        om.resume("run.ckpt", checkpoint=Path(folder) / "tried.ckpt", progress=_stop)
    known = ("start_", "finished_", "part_", "ended_", "running_")  # others are not used
    return found["header"], {name: values for name, values in found["arrays"].items() if name.startswith(known)}


def _stop(report):
    if report.fraction > 0.0:
        raise KeyboardInterrupt


def _leave_command_checkpoint():
    """A checkpoint of the command line, which holds its options."""
    run_and_interrupt("simulate", *SMALL_RUN, "--alpha", "1e5", "--no-theory", "--engine", "chain", "--replicas", "2",
                      "--checkpoint", "run.ckpt", "--out", "run.npz")
    Path("run.npz").unlink(missing_ok=True)


KINDS = [
    _run_kind("run of micro", "--store-weights", "--store-final", "--replicas", "2"),
    _run_kind("run of chain, summary", "--engine", "chain", "--replicas", "7", "--keep", "summary", "--store-final"),
    _run_kind("run of other inputs", "--inputs", "manifold:D=5,erf", "--store-final"),
    Kind("run that goes on", _go_on, _load, _use, [("plot", "run.npz"), ("repeat", "run.npz", "-q"),
                                                   ("plot", "a.npz", "run.npz", "--no-theory")],
         archive_spoiler("run.npz")),
    Kind("run of ode", lambda: run("ode", *SMALL_RUN, "--out", "run.npz"), _load, _use,
         [("plot", "run.npz"), ("repeat", "run.npz", "-q"), ("ode", "--start", "run.npz", "--alpha", "2", "--no-plot")],
         archive_spoiler("run.npz")),
    _checkpoint_kind("micro"), _checkpoint_kind("chain"), _checkpoint_kind("leap"),
    Kind("checkpoint of a command", _leave_command_checkpoint, _read_checkpoint, nothing_more,
         [("simulate", "--resume", "run.ckpt", "-q"), ("simulate", "--resume", "run.ckpt", "--out", "b.npz")],
         archive_spoiler("run.ckpt")),
]
