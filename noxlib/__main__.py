"""`python -m noxlib`, on a Python that has nothing but pip too."""

from __future__ import annotations

import sys
from pathlib import Path

from noxlib import bootstrap

if __name__ == "__main__":
    bootstrap.ensure_command(Path(__file__).resolve().parents[1])

    from noxlib.commands import main

    sys.exit(main())
