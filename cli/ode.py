"""``onlinemode ode``: the mean-field equations alone."""

import click

from onlinemode.cli.names import claim_runs
from onlinemode.cli.options import ODE, OUTPUT, PROBLEM, START, shared_options
from onlinemode.cli.running import ProgressBar, announce, chosen, experiment_of
from onlinemode.cli.simulate import finish
from onlinemode.cli.starts import beginning, settings_and_run

_OUTPUT = tuple(name for name in OUTPUT if name not in ("store_weights", "store_final"))


@click.command("ode", short_help="The mean-field equations, N to infinity.")
@shared_options(*START, "alpha", *PROBLEM, *ODE, *_OUTPUT)
def command(**given):
    """Integrate the mean-field equations from the overlaps of a start of finite N.

    N fixes the initial overlaps alone: from an exactly symmetric start nothing but rounding errors would end
    the plateau. --start RUN.npz begins at the end of a saved run of any engine, and α goes on from there.
    Writes one .npz and one .png, prints a table, and says where the files are.
    """
    from onlinemode import go_on, simulate

    settings, before = settings_and_run(given)
    settings = settings | {"engine": None}  # of the run that goes on, in names
    claim = claim_runs(settings, "ode")
    problem, start, title = beginning(settings, before)
    bar = ProgressBar(settings["quiet"] or settings["json"])
    begun = False

    def progress(state):
        nonlocal begun
        if not begun:  # the arguments are right
            announce(settings, title)
            begun = True
        bar(state)

    try:
        if before is not None:
            run = go_on(before, settings["alpha"], save_at=settings["save_at"], problem=problem, engine="ode",
                        progress=progress, **chosen(settings, ODE))
        else:
            run = simulate(problem, start, progress=progress, **experiment_of(settings | {"engine": "ode"}).call())
    finally:
        bar.close()
    return finish(settings, "ode", claim, [(run, "")], None, title)
