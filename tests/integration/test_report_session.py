"""`nox -s coverage-report` over real sessions of two services whose files have the same names."""

from __future__ import annotations

from pathlib import Path

from noxlib.testing import NOXFILE, Project

OFF = "".join(f"[defaults.types.{kind}]\nenabled = false\n" for kind in ("property", "integration", "e2e"))
OFF += "".join(
    f"[defaults.types.{kind}]\nenabled = false\n" for kind in ("stress", "race", "performance", "chaos")
)
SERVICES = f"""
[services.a]
path = "services/a"
source = ["src/app"]
[services.a.coverage]
fail_under = 60
[services.b]
path = "services/b"
source = ["src/app"]
{OFF}"""
WORK = "def sign(number):\n    if number < 0:\n        return -1\n    return 1\n"
TEST = "from app.work import sign\n\ndef test_sign():\n    assert sign({0}) == {0}\n"


def files(name: str, number: int) -> dict[str, str]:
    base = f"services/{name}"
    return {
        f"{base}/requirements.lock": "iniconfig==2.3.0\n",
        f"{base}/src/app/__init__.py": "",
        f"{base}/src/app/work.py": WORK,
        f"{base}/tests/unit/test_work.py": TEST.format(number),
    }


def test_both_services_are_measured_told_apart_and_judged(tmp_path: Path) -> None:
    made = Project(tmp_path / "project")
    made.write({"noxfile.py": NOXFILE, "services.toml": SERVICES, **files("a", 1), **files("b", -1)})
    made.nox("-s", "coverage-report").assert_failed().assert_says("unit-a: never ran", "nox -s unit-b")
    made.nox("-s", "unit-a", "unit-b", "coverage-report").assert_ok().assert_says(
        "a        66.66     66.66    60   passed", "b        66.66     66.66     0   passed"
    )
    report = made.folder / ".noxlib/report/coverage"
    assert "services/b/src/app/work.py" in (report / "coverage.xml").read_text(encoding="utf-8")
    made.write({"services/a/src/app/work.py": WORK + "\n\ndef unused():\n    return 1 + 1\n"})
    made.nox("-s", "coverage-report", "--", "a").assert_failed().assert_says(
        "its inputs have changed since it ran"
    )
