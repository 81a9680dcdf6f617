"""All kinds of files that onlinemode reads."""

import os
import shutil
from pathlib import Path

from hostile import data, runs, sweeps, texts

KINDS = [*runs.KINDS, *data.KINDS, *texts.KINDS, *sweeps.KINDS]


def make_all(folder, kinds=KINDS):
    """A folder for each kind, with a good file in it; returns name to folder."""
    here, made = Path.cwd(), {}
    for kind in kinds:
        place = made[kind.name] = folder / kind.name.replace(" ", "_").replace(",", "").replace("'", "")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        os.chdir(place)
        try:
            kind.make()
        finally:
            os.chdir(here)
    return made
