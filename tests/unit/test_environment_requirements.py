from __future__ import annotations

from pathlib import Path

from noxlib.environment import requirements


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_are_joined_and_comments_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, "r.txt", "# head\n\na==1 \\\n    --hash=sha256:0 # why\nb==2#frag\nc==3 \\\n")
    found = [(line.number, line.text) for line in requirements.read_lines(path)]
    assert found == [(3, "a==1 --hash=sha256:0"), (5, "b==2#frag"), (6, "c==3")]


def test_included_files_are_found_once_each(tmp_path: Path) -> None:
    top = write(tmp_path, "top.txt", "-r base.txt\n--constraint=pins.txt\n-cmissing.txt\na==1\n")
    base = write(tmp_path, "base.txt", "-r top.txt\nb==1\n")
    pins = write(tmp_path, "pins.txt", "c==1\n")
    assert requirements.files_of(top) == [top, base, pins]


def test_open_versions_are_named_with_their_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "r.txt",
        "a==1\nb>=2\nc\nd @ file:///d\n-e ./here\n./there\n--no-binary x\ne[more]==3; python_version < '4'\n",
    )
    assert [(line.number, line.text) for line in requirements.unpinned([path])] == [(2, "b>=2"), (3, "c")]


def test_a_marker_with_an_equals_sign_pins_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "r.txt", 'a>=1; python_version == "3.12"\n')
    assert [line.text for line in requirements.unpinned([path])] == ['a>=1; python_version == "3.12"']


def test_a_constraint_file_can_pin_what_is_open(tmp_path: Path) -> None:
    path = write(tmp_path, "r.txt", "My.Package>=2\n")
    pins = write(tmp_path, "pins.txt", "my_package==2.1\n")
    assert requirements.unpinned([path], [pins]) == []


def test_hashes_are_insisted_on_only_where_every_requirement_has_one(tmp_path: Path) -> None:
    hashed = write(tmp_path, "h.txt", "--no-binary x\n-i somewhere\na==1 --hash=sha256:0\n")
    linked = write(tmp_path, "l.txt", "-e ./here\n")
    assert requirements.is_hashed([hashed])
    assert not requirements.is_hashed([hashed, linked])
    assert not requirements.is_hashed([write(tmp_path, "empty.txt", "")])


def test_shortfall_tells_missing_from_unfit() -> None:
    found = requirements.shortfall(
        [
            "pytest>=8",
            "coverage[toml]>=7.10",
            "Old_Name",
            "tomli; python_version < '3.11'",
            "more; extra == 'x'",
        ],
        {"coverage": "7.2", "old-name": "1"},
        "3.12.1",
    )
    assert found.missing == ("pytest>=8",)
    assert found.unfit == (("coverage[toml]>=7.10", "7.2"),)


def test_extras_and_prereleases_count() -> None:
    found = requirements.shortfall(["more; extra == 'x'", "a>=1"], {"a": "2.0rc1"}, "3.12.1", extras=("x",))
    assert found.missing == ("more; extra == 'x'",)
    assert found.unfit == ()
