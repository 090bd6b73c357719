"""Sessions for every service and test type, from services.toml; and the project's own checks.

`python3 noxfile.py ...` is `nox ...` on a machine that has nothing but Python 3.10+ and pip.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from noxlib import bootstrap

bootstrap.ensure(__file__)

import nox

from noxlib.sessions import generate_sessions

generate_sessions("services.toml")
