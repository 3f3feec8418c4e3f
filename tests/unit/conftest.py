# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The examples of property tests are the same in every run; with HYPOTHESIS_PROFILE=soak they are new ones each time."""

from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("sample", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "sample"))
