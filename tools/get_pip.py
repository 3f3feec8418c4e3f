"""What ansible-test runs to put pip into an empty environment: pip, installed by the pip beside it.

ansible-test would download a script for this; here the wheel that tools/sanity fetched by its hash does the work.
"""

from __future__ import annotations

import os
import pathlib
import runpy
import sys

wheel = next(pathlib.Path(os.environ["GET_PIP"]).parent.glob("pip-*.whl"))
dropped = {"--no-setuptools", "--no-wheel"}
sys.path.insert(0, str(wheel))
sys.argv = ["pip", "install", *[argument for argument in sys.argv[1:] if argument not in dropped]]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
