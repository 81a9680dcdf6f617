"""Thirty random command lines and TOML files: none ends in a traceback, a warning or a half-written file."""

import sys

import pytest
from random_commands import check


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and limits memory as Linux does")
def test_random_command_lines():
    complaints = []
    bad, files, codes = check(30, seed=20261126, shell=0.1, report=complaints.append)
    assert not bad, "\n".join(complaints)
    assert codes[0] >= 5 and codes[2] >= 5 and files >= 5  # good lines and bad ones
