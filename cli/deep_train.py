"""``onlinemode deep train``: train a network, mode-decomposed or dense."""

import sys
from pathlib import Path

import click

from onlinemode.cli.checkpoints import Keeper, settings_in, with_repeated
from onlinemode.cli.deep_options import (
    DATA,
    DEEP_OPTIONS,
    DEFAULTS,
    HIDDEN_OF_THE_MIXTURE,
    NETWORK,
    OUTPUT,
    PAPER_HIDDEN_OF_THE_MIXTURE,
    TRAINING,
    EpochBar,
    deep_options,
    describe_training,
    find_data,
    hyperparameters,
    make_network,
    resolve,
)
from onlinemode.cli.exit_codes import DONE, FAILED, INTERRUPTED
from onlinemode.cli.names import PICTURE, RESULT, claim_files
from onlinemode.cli.running import announce
from onlinemode.errors import FileError

PAPER_REPEATS = 5
ROWS = 9


@click.command("train", short_help="Train a network: modes, dense, shared modes, SVD.")
@deep_options(*DATA, *NETWORK, *TRAINING, "repeats", *OUTPUT)
@click.option("--checkpoint", type=click.Path(), help="Write the unfinished run to this file now and then.")
@click.option("--every", type=float, help="Seconds between two checkpoints.  [300]")
@click.option("--resume", type=click.Path(), help="Go on with the run of this checkpoint; its options are in the file.")
def command(checkpoint, every, resume, **given):
    """Train a network with Adam on seeded minibatches and test it before every epoch.

    Without options: the Gaussian mixture of figure 1 of Li and Huang, in a reduced setting that it
    names, some twenty seconds.  Writes one .npz (curves and network) and one .png, prints a table, and
    says where the files are.
    """
    if resume is not None:
        settings = _resumed_settings(resume, given)
    else:
        settings = resolve(given)
    keeper = Keeper(checkpoint, every, resume, settings["out"], "deep train")
    runs = None
    try:
        if resume is not None:
            claim = _claim(settings, [""], lambda path: _is_part_of_run(path, resume))
            runs = [_resume(settings, keeper)]
        else:
            claim, runs = _train_all(settings, keeper)
        code = _finish(settings, claim, runs)
    except (KeyboardInterrupt, FileError) as problem:
        if runs is not None or isinstance(problem, KeyboardInterrupt):
            keeper.say_how_to_go_on()
        raise
    return code if code == FAILED else keeper.end(code)


def _train_all(settings, keeper):
    """All networks, one after the other; stops at the first that does not complete."""
    from onlinemode import checks
    from onlinemode.deep import train
    from onlinemode.deep.training import EVERY, checked

    dataset = find_data(settings)
    if settings["repeats"] is None:
        settings["repeats"] = PAPER_REPEATS if dataset.is_mixture and settings["full"] else 1
    repeats = checks.integer("repeats", settings["repeats"], 1)
    if repeats > 1 and keeper.path is not None:
        raise click.UsageError(f"--checkpoint holds one run; got --repeats {repeats}: run them one by one, with --seed")
    network = make_network(settings, dataset)
    values = hyperparameters(settings, network, dataset)
    checked(network, dataset, {**values, "seed": settings["seed"]})
    claim = _claim(settings, [""] if repeats == 1 else [_ending(settings, number) for number in range(repeats)])
    settings["name"] = str(claim.base)
    announce(settings, describe_training(network, dataset, values) + (f", {repeats} networks" if repeats > 1 else ""))
    _announce_reduced(settings, network, dataset, values)
    runs = []
    for number in range(repeats):
        bar = EpochBar(settings["quiet"] or settings["json"],
                       f"network {number + 1}/{repeats}" if repeats > 1 else "")
        try:
            run = train(network if number == 0 else make_network(settings, dataset, number), dataset, **values,
                        seed=settings["seed"] + number, progress=bar, checkpoint=keeper.path,
                        checkpoint_every=EVERY if keeper.every is None else keeper.every, note=settings)
        finally:
            bar.close()
        runs.append(run)
        if run.status.value != "completed":
            break
    return claim, runs


def _resumed_settings(path, given):
    """The settings of the run in a checkpoint; only where results go can be said anew."""
    from onlinemode.deep.training import CHECKPOINT
    from onlinemode.storage import read_archive

    note = read_archive(path, CHECKPOINT)[0].get("note")
    if not isinstance(note, dict) or "variant" not in note:
        raise FileError(f"{path} was written from Python, not by onlinemode deep train; resume it with om.deep.resume")
    settings = settings_in(note, path, DEEP_OPTIONS, DEFAULTS)
    return with_repeated(settings, given, path, (*OUTPUT, "device"), DEEP_OPTIONS)


def _resume(settings, keeper):
    from onlinemode.deep import resume
    from onlinemode.deep.training import EVERY

    bar = EpochBar(settings["quiet"] or settings["json"])
    try:
        return resume(keeper.resumed, progress=bar, checkpoint=keeper.path, device=settings["device"],
                      checkpoint_every=EVERY if keeper.every is None else keeper.every)
    finally:
        bar.close()


def _announce_reduced(settings, network, dataset, values):
    """Say in which way a run is smaller than the paper's, if nobody asked for that."""
    from onlinemode.deep import preset

    if settings.get("full"):
        return
    paper = preset(network, dataset)
    words = []
    if settings["epochs"] is None:
        words.append(f"{values['epochs']} epochs instead of {paper['epochs']}, the rate halved every "
                     f"{values['halve_every']} instead of {paper['halve_every']}")
    if dataset.is_mixture and settings["hidden"] is None:
        words.append(f"{_sizes(HIDDEN_OF_THE_MIXTURE)} hidden units instead of "
                     f"{_sizes(PAPER_HIDDEN_OF_THE_MIXTURE)}, which cannot separate the four clouds (docs/theory, "
                     "section 10)")
    if dataset.is_mixture and settings["repeats"] == 1:
        words.append(f"one network instead of {PAPER_REPEATS}")
    if words:
        announce(settings, f"reduced setting: {'; '.join(words)}; --full for the paper's")


def _sizes(hidden):
    return " and ".join(str(size) for size in hidden)


def _claim(settings, endings, replaceable=None):
    """Claim the files of one network, or of several that end in their seeds."""
    stem = f"deep_train_{Path(settings['data']).stem}_{settings['variant']}"
    if endings == [""]:
        stem += f"_seed{settings['seed']}"
    return claim_files(settings, stem, endings, [ending + RESULT for ending in endings], replaceable)


def _ending(settings, number):
    return f"_seed{settings['seed'] + number}"


def _is_part_of_run(path, checkpoint):
    """Whether a result is of the run in a checkpoint, a part or all of it, as in onlinemode.cli.checkpoints."""
    from onlinemode.deep.network import RUN
    from onlinemode.deep.training import CHECKPOINT
    from onlinemode.storage import read_archive

    try:
        found, run = read_archive(path, RUN)[0], read_archive(checkpoint, CHECKPOINT)[0]
        return (found["network"] == run["network"]
                and found["meta"]["arguments"] == run["meta"]["arguments"]
                and found["meta"]["dataset"]["fingerprint"] == run["meta"]["dataset"]["fingerprint"])
    except (FileError, KeyError, TypeError):
        return False


def _finish(settings, claim, runs):
    """Save, draw, print; returns the exit code."""
    from onlinemode.cli import report

    files = {}
    several = (settings["repeats"] or 1) > 1
    for number, run in enumerate(runs):
        path = claim.write((_ending(settings, number) if several else "") + RESULT, run.save)
        files[f"result {number + 1}" if len(runs) > 1 else "result"] = path
        if run.message:
            print(f"deep train: {run.message}", file=sys.stderr)
    if settings["plot"]:
        from onlinemode.cli.pictures import plotting

        figure = plotting.training_figure(runs, _title(runs[0]))
        files["picture"] = claim.write(PICTURE, lambda path: plotting.save_figure(figure, path))
    if settings["json"]:
        summaries = [summary(run, files) for run in runs]
        report.print_json(summaries if len(summaries) > 1 else summaries[0])
    elif not settings["quiet"]:
        print_run(runs[0])
        if len(runs) > 1:
            _print_all(runs)
        report.print_files(files)
    status = runs[-1].status.value
    return {"diverged": FAILED, "interrupted": INTERRUPTED}.get(status, DONE)


def _title(run):
    network = run.network
    sizes = ", ".join(str(n) for n in network.sizes)
    modes = f", P = {max(network.modes)}" if network.modes else ""
    return f"{run.meta['dataset']['name']}, {network.variant} [{sizes}]{modes}"


def print_run(run):
    """A short table of one run: some epochs, then costs."""
    import numpy as np

    print(f"{'epoch':>6}  {'rate':>9}  {'loss':>8}  {'training acc.':>13}  {'test loss':>9}  {'test acc.':>9}")
    for k in np.unique(np.linspace(0, len(run.epoch) - 1, ROWS).round().astype(int)):
        trained = k < run.epochs
        line = f"{run.epoch[k]:6d}  " + (f"{run.rate[k]:9.2e}  {run.loss[k]:8.4f}  {run.train_accuracy[k]:13.4f}"
                                        if trained else f"{'':>9}  {'':>8}  {'':>13}")
        print(line + f"  {run.test_loss[k]:9.4f}  {run.test_accuracy[k]:9.4f}")
    print("loss and training accuracy: over the samples of the epoch that begins there, each before its own step")
    each = f", {np.median(run.seconds):.3g} s an epoch (median)" if run.epochs else ""
    print(f"{run.meta['parameters']:,} parameters, {run.meta['multiplications']:,} multiplications a sample forward"
          f"{each}")


def _print_all(runs):
    import numpy as np

    final = np.array([run.test_accuracy[-1] for run in runs])
    print(f"(the first of {len(runs)} networks)  final test accuracy of all: "
          + ", ".join(f"{value:.4f}" for value in final))
    print(f"mean {final.mean():.4f} ± {final.std(ddof=1):.4f} (standard deviation)")


def summary(run, files):
    """The numbers of a run that a script may want, as plain JSON types."""
    return {
        "command": "deep train", "data": run.meta["dataset"]["name"], "network": run.network.specification(),
        "hyperparameters": run.meta["arguments"], "status": run.status.value, "message": run.message,
        "epochs": run.epochs, "test_accuracy": [float(run.test_accuracy[0]), float(run.test_accuracy[-1])],
        "loss": [float(run.loss[0]), float(run.loss[-1])] if run.epochs else None,
        "parameters": run.meta["parameters"], "multiplications": run.meta["multiplications"],
        "seconds": float(run.seconds.sum()), "files": {name: str(path) for name, path in files.items()},
    }
