"""``onlinemode deep width``: the least number of modes against the width."""

import sys

import click

from onlinemode.cli.deep_options import DEEP_OPTIONS, TRAINING, EpochBar, Numbers, find_data
from onlinemode.cli.deep_results import OUTPUT, claim_analysis, finish, plain, spoken, with_options
from onlinemode.cli.options import WHOLE

HYPERPARAMETERS = ("epochs", "batch", "rate", "halve_every", "decay")
SHARED = [DEEP_OPTIONS[name] for name in ("data_dir", *TRAINING, "precision", "device")]


@click.command("width", short_help="The least number of modes against the width.")
@click.option("--widths", type=Numbers(), help="Of the hidden layers.  [20,32,50,80,140,240,400,640]")
@click.option("--grid", type=Numbers(), help="Numbers of modes to climb.  [1,2,3,4,6,8,11,16,23,32,45,64]")
@click.option("--share", type=float, default=0.97, help="Of the dense accuracy that must be reached.  [0.97]")
@click.option("--layers", type=WHOLE, default=2, help="Hidden layers, all of the same width.  [2]")
@click.option("--repeats", type=WHOLE, default=2, help="Networks of each kind, with the seeds 0, 1, ...  [2]")
@click.option("--cache", type=click.Path(), default="deep_width_networks", help="Folder that keeps the result of every "
              "network, so that an interrupted sweep goes on.  [deep_width_networks]")
@click.option("--data", required=True, help="fashion-mnist, mnist, gaussian-mixture, or FILE.npz with train_x, "
              "train_y, test_x, test_y.")
@click.option("--variant", default="1L2P", help="1L2P, 1L1P or two-factor.  [1L2P]")
@with_options([*SHARED, *OUTPUT])
def command(widths, grid, share, layers, repeats, cache, **settings):
    """Find the least number of modes with which networks reach a share of the dense accuracy, at every width.

    At each width dense networks give the target; then the number of modes climbs the grid until the mean test
    accuracy reaches it, and the crossing is interpolated. Five forms of growth are compared by AICc. --rate and
    --decay are those of the networks with modes; the dense ones keep theirs. Training takes its time: start with
    few --epochs.
    """
    from onlinemode.deep import growth, width
    from onlinemode.errors import ShapeError

    settings = {"seed": 0, "precision": "float32", "device": "cpu"} | {
        name: value for name, value in settings.items() if value is not None} | {"plot": settings["plot"]}
    for name in ("data_dir", "out", "overwrite", "json", "quiet", "full"):
        settings.setdefault(name)
    widths, grid = (value if isinstance(value, list) else list(standard if value is None else [value])
                    for value, standard in ((widths, width.WIDTHS), (grid, width.GRID)))
    width.check_sweep(widths, share, grid, repeats)
    dataset = find_data(settings)
    claim = claim_analysis(settings, f"deep_width_{dataset.name}_{settings['variant']}")
    bars, loud = [], not (settings["quiet"] or settings["json"])

    def progress(w, modes, seed):
        which = "dense" if modes is None else f"P = {modes}"
        close()
        bars.append(EpochBar(not loud, f"width {w}, {which}, seed {seed}"))
        return bars[-1]

    def close():
        while bars:
            bars.pop().close()

    train, described = width.make_training(
        dataset, layers, settings["variant"], not settings["full"], {name: settings[name] for name in HYPERPARAMETERS
                                                                     if settings.get(name) is not None},
        settings["precision"], settings["device"], progress)
    values = described["hyperparameters"][settings["variant"]]
    accuracy_of = width.cached(train, cache, described)
    if loud:
        print(f"{dataset.name}, {settings['variant']} and dense, {layers} hidden layers of {len(widths)} widths from "
              f"{min(widths)} to {max(widths)}, {repeats} networks of each kind, {values['epochs']} epochs; networks "
              f"that are done are kept in {cache}", file=sys.stderr, flush=True)

    def report(crossing):
        close()
        if loud:
            print(_line(crossing), flush=True)

    if loud:
        print(f"{'width':>6}  {'dense':>7}  {'target':>7}  {'least P':>16}  tried")
    try:
        found = width.sweep(accuracy_of, widths, share, grid, repeats, report)
    finally:
        close()
    try:
        growths, reason = growth.compare_growth(widths, [each.modes for each in found]), None
    except ShapeError as problem:
        growths, reason = [], str(problem)
    if spoken(settings):
        _print(growths, reason, len([each for each in found if each.reached == "crossed"]))
    arrays, rows = {}, []
    for each in found:
        for name in ("tried", "accuracy", "dense"):
            arrays[f"{name}_{each.width}"] = getattr(each, name)
        rows.append({"width": each.width, "dense": each.dense.mean(), "target": each.target, "modes": each.modes,
                     "standard_error_of_log": each.standard_error, "reached": each.reached})
    summary = {"command": "deep width", "data": dataset.name, "settings": described, "share": share,
               "repeats": repeats, "crossings": plain(found), "growth": plain(growths),
               "undecided": growth.undecided(growths) if growths else [], "no_growth_because": reason}

    def figure():
        from onlinemode.cli.pictures import plotting

        return plotting.width_figure(found, growths, f"{dataset.name}, {settings['variant']}: {share:.0%} of the dense "
                                                     f"accuracy, {repeats} networks of each kind, {values['epochs']} "
                                                     "epochs")

    finish(settings, claim, summary, arrays, rows, figure)


def _line(each):
    if each.reached == "crossed":
        error = f" ± {each.modes * each.standard_error:.2g}" if each.standard_error == each.standard_error else ""
        least = f"{each.modes:.3g}{error}"
    else:
        least = f"> {each.tried[-1]}" if each.reached == "never" else f"≤ {each.tried[0]}"
    tried = ", ".join(f"{P}: {row.mean():.4f}" for P, row in zip(each.tried, each.accuracy))
    return f"{each.width:6d}  {each.dense.mean():7.4f}  {each.target:7.4f}  {least:>16}  {tried}"


def _print(growths, reason, points):
    from onlinemode.deep.growth import undecided

    if reason is not None:
        print(f"no comparison of forms: {reason}")
        return
    for each in growths:
        words = ", ".join(f"{name} = {value:.3g}" for name, value in each.parameters.items())
        print(f"{each.name:<26} {each.formula:<26} {words:<36} rms {each.residual:.3f}  ΔAICc "
              f"{each.aicc - growths[0].aicc:.1f}")
    print(f"{points} widths; undecided (ΔAICc < 4): {', '.join(undecided(growths))}")
