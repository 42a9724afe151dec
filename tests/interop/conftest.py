# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for comparing our commands with the real ones."""

import pytest
from cli_lab import Both
from online_lab import OnlineLab


@pytest.fixture
def both(tmp_path):
    return Both(tmp_path)


@pytest.fixture
def online(tmp_path):
    return OnlineLab(tmp_path)
