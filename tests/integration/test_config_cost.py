"""What a noxfile pays for services.toml once it is cached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from noxlib import config

CODE = """
import sys
from pathlib import Path
from noxlib import config
config.load(Path("services.toml"), Path("cache"))
print(sorted({"pydantic", "tomllib", "tomli", "difflib"} & set(sys.modules)))
"""


def test_a_cached_load_imports_neither_pydantic_nor_a_toml_parser(tmp_path: Path) -> None:
    (tmp_path / "services.toml").write_text('[services.a]\npath = "."\n')
    config.load(tmp_path / "services.toml", tmp_path / "cache")
    # A measured process has loaded a TOML parser already, to read how it is measured.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment = {**kept, "PYTHONPATH": str(Path(config.__file__).parent.parent.parent)}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, stdout=subprocess.PIPE)
    assert done.stdout.strip() == b"[]"
