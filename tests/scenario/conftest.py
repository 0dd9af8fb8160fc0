# SPDX-License-Identifier: MIT
"""Scenario tests boot the whole system in QEMU and use its serial console as a person would."""
import os
import subprocess

import pytest
from scenario import BUILD, ROOT, SERIAL, System  # noqa: F401 (for the tests)


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)


def run(*command, **kwargs):
    """A host tool that must succeed."""
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env, **kwargs).stdout
