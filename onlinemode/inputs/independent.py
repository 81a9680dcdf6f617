"""Inputs with independent entries that are not Gaussian."""

from dataclasses import dataclass

from onlinemode.inputs.base import Inputs, make_source


@dataclass(frozen=True)
class Rademacher(Inputs):
    """Independent entries ±1, each with probability ½."""

    kind = "rademacher"
    independent = True

    def _source(self, N):
        return make_source("RADEMACHER", "INPUT")


@dataclass(frozen=True)
class Uniform(Inputs):
    """Independent entries, uniform on (−√3, √3)."""

    kind = "uniform"
    independent = True

    def _source(self, N):
        return make_source("UNIFORM", "INPUT")
