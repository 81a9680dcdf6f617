"""``plotting`` for the command line: no setting of the user's Matplotlib changes a picture or is needed for one."""

import os

os.environ["MPLBACKEND"] = "agg"  # Matplotlib refuses that of a notebook where it is not installed

from onlinemode import plotting  # noqa: E402

plotting.use_defaults()

__all__ = ["plotting"]
