"""Ctrl-C in the middle of a drawing."""

import signal

from matplotlib.transforms import Affine2DBase


def interrupt(monkeypatch, kind, name):
    """Send SIGINT in the first drawing that the method ``name`` of a class makes.

    It comes where compiled code of Matplotlib asks Python for a matrix. Returns a list that has an entry from then on.
    """
    real, drawing, matrix, sent = getattr(kind, name), [], Affine2DBase.__array__, []

    def called(self, *arguments, **options):
        drawing.append(True)
        return real(self, *arguments, **options)

    def interrupted(self, *arguments, **options):
        if drawing and not sent:
            sent.append(True)
            signal.raise_signal(signal.SIGINT)
        return matrix(self, *arguments, **options)

    monkeypatch.setattr(kind, name, called)
    monkeypatch.setattr(Affine2DBase, "__array__", interrupted)
    return sent
