"""Experiments to begin with: ``om.presets.showcase.replace(N=1000).run()``."""

from onlinemode.experiment import Experiment

__all__ = ["paper", "showcase"]

names = ("showcase", "paper")

showcase = Experiment()
"""Three modes at N = 10,000: a plateau, then units specialize one by one; what the command line runs by default."""

paper = Experiment(init="paper", N=30, K=8, alpha=10_000.0, eta=5.0)
"""The setting of Li and Huang, figure 4: N = 30, K = M = 8, P = 3, η = 5."""
