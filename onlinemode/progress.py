"""How far a run is, on the screen: a bar of tqdm for ``progress=True``, and durations in words."""

import time
from contextlib import contextmanager

from onlinemode import checks
from onlinemode.errors import ParameterError


def clock(seconds: float) -> str:
    """A duration in the unit in which it is short."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 360_000:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.3g} days"


def about(seconds: float) -> str:
    """A duration in words, for an estimate."""
    return "about a second" if seconds < 2 else f"about {clock(seconds)}"


class Bar:
    """A bar of tqdm, in terminals and notebooks, that takes the reports of a run.

    Parameters
    ----------
    title : str, default ""
        What stands before it.
    **options
        Of ``tqdm.tqdm``, such as ``leave``.
    """

    SECONDS = 0.1  # between two looks

    def __init__(self, title: str = "", **options):
        self._options, self._bar = {"desc": title, **options}, None

    def __call__(self, report):
        """Show the share that is done, α, ε_g, steps a second and the time left, of a ``Progress``."""
        words = [f"α = {report.alpha:.4g}"]
        if report.error == report.error:
            words.append(f"ε_g = {report.error:.3e}")
        share_a_second = None if self._bar is None else self._bar.format_dict["rate"]
        if report.steps and share_a_second:
            words.append(f"{share_a_second * report.steps / report.fraction:,.0f} steps/s")
        self.show(report.fraction, ", ".join(words))

    def show(self, share: float, words: str = ""):
        """Show this share and these words, and the time left."""
        if self._bar is None:  # from the first report on, which may come after other words on the screen
            self._bar = self._begin(share)
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(share - self._bar.n)

    def _begin(self, share):
        return _unwatched()(total=1.0, initial=share, miniters=0, mininterval=self.SECONDS,
                            bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}", **self._options)

    def close(self):
        """It is not drawn again."""
        if self._bar is not None:
            self._bar.close()


def _unwatched():
    from tqdm.auto import tqdm

    class Unwatched(tqdm):
        monitor_interval = 0  # no thread that looks after bars: this one is drawn by the clock anyway
        _time = property(lambda _: time.monotonic, lambda *_: None)  # tqdm's own stands still when the clock goes back

    return Unwatched


@contextmanager
def shown(progress, title: str = ""):
    """What the argument ``progress`` of a function stands for, while it runs.

    Parameters
    ----------
    progress : bool, callable or None
        True: a :class:`Bar`; False or None: nothing.
    title : str, default ""
        Of the bar.

    Yields
    ------
    callable or None

    Raises
    ------
    ParameterError
        If it is none of them.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        bar = Bar(title)
        try:
            yield bar
        finally:
            bar.close()
    elif callable(progress):
        yield progress
    else:
        raise ParameterError("progress must be True, False or a function that is given reports; got "
                             f"{checks.one_line(progress)}")


class PointsBar:
    """A bar of tqdm over the points of a sweep, that takes its reports.

    Parameters
    ----------
    **options
        Of ``tqdm.tqdm``, such as ``leave``.
    """

    def __init__(self, **options):
        self._options, self._bar = options, None

    def __call__(self, report):
        """Show points done, failed, and the time left, of a ``SweepProgress``."""
        if self._bar is None:
            self._bar = _unwatched()(total=report.total, initial=report.done, miniters=0, mininterval=Bar.SECONDS,
                                     bar_format="{l_bar}{bar}| {elapsed}{postfix}", **self._options)
        words = [f"{report.done:,} of {report.total:,} points"]
        words += [f"{report.failed:,} failed"] if report.failed else []
        if report.seconds_left:
            words.append(f"{clock(report.seconds_left)} left")
        self._bar.set_postfix_str(", ".join(words), refresh=False)
        self._bar.update(report.done + report.inside - self._bar.n)

    def close(self):
        """It is not drawn again."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def points_shown(progress):
    """As :func:`shown`, of the points of a sweep."""
    if progress is True:
        bar = PointsBar()
        try:
            yield bar
        finally:
            bar.close()
    else:
        with shown(progress) as given:
            yield given
