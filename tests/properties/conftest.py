"""Profiles of hypothesis: the same few examples every time, or with ``--hypothesis-profile search`` many others.

``pytest tests/properties --hypothesis-profile search`` makes a hundred times as many examples, new ones each time. A
failure prints what it met, and a line that makes the same example again.
"""

import tempfile

from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir

COMMON = {"deadline": None, "database": None, "print_blob": True,
          "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]}
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]

set_hypothesis_home_dir(tempfile.mkdtemp(prefix="onlinemode-hypothesis-"))  # not into the folder of the tests
settings.register_profile("ci", derandomize=True, max_examples=1, phases=PHASES, **COMMON)  # see ``examples``
settings.register_profile("search", max_examples=100, phases=PHASES, **COMMON)
settings.load_profile("ci")
