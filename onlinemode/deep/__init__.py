"""Deep networks with mode-decomposed weights: layers, training, data sets.

``import onlinemode as om`` and ``om.deep``; the formulas are in docs/theory, section 10.
"""

from onlinemode.deep import data
from onlinemode.deep.data import Dataset
from onlinemode.deep.downloads import fetch
from onlinemode.deep.network import VARIANTS, Network
from onlinemode.deep.network_files import load
from onlinemode.deep.presets import PRESETS, REDUCED, preset
from onlinemode.deep.runs import TrainingRun, load_run
from onlinemode.deep.training import resume, train

__all__ = ["PRESETS", "REDUCED", "VARIANTS", "Dataset", "Network", "TrainingRun", "data", "fetch", "load", "load_run",
           "preset", "resume", "train"]
