from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sample_records import record, session_plan

from noxlib.errors import RecordError
from noxlib.records import State
from noxlib.records.run import Run

RECORD = record(plan=session_plan("unit-a"))


@pytest.fixture(autouse=True)
def no_state_folder_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOXLIB_STATE", raising=False)


def _repository(folder: Path) -> Path:
    (folder / ".git" / "worktrees").mkdir(parents=True)
    return folder


def _worktree(main: Path, folder: Path, name: str, common: str = ".git") -> Path:
    kept = main / common / "worktrees" / name
    kept.mkdir(parents=True)
    folder.mkdir()
    (folder / ".git").write_text(f"gitdir: {kept}\n")
    return folder


def test_without_git_the_state_lies_beside_services_toml(tmp_path: Path) -> None:
    found = State.find(tmp_path)

    assert (found.folder, found.checkout) == (tmp_path / ".noxlib", "main")


def test_a_main_checkout_keeps_its_own_state(tmp_path: Path) -> None:
    root = _repository(tmp_path / "acme") / "backend"
    root.mkdir()

    assert State.find(root).folder == root / ".noxlib"


def test_a_worktree_uses_the_main_checkouts_state_under_its_own_name(tmp_path: Path) -> None:
    main = _repository(tmp_path / "acme")
    tree = _worktree(main, tmp_path / "elsewhere", "fix-7")

    found = State.find(tree)

    assert (found.folder, found.checkout) == (main / ".noxlib", "fix-7")
    assert State.find(main).new_run("unit-a").folder.parent != found.new_run("unit-a").folder.parent


def test_a_folder_below_a_worktree_maps_to_the_same_folder_below_the_main_checkout(tmp_path: Path) -> None:
    main = _repository(tmp_path / "acme")
    root = _worktree(main, tmp_path / "tree", "fix-7") / "teams" / "backend"
    root.mkdir(parents=True)

    assert State.find(root).folder == main / "teams" / "backend" / ".noxlib"


def test_a_worktree_named_main_does_not_mix_with_the_main_checkout(tmp_path: Path) -> None:
    main = _repository(tmp_path / "acme")

    assert State.find(_worktree(main, tmp_path / "main", "main")).checkout == "main@worktree"


def test_a_relative_gitdir_is_followed(tmp_path: Path) -> None:
    main = _repository(tmp_path / "acme")
    tree = _worktree(main, tmp_path / "tree", "fix-7")
    (tree / ".git").write_text("gitdir: ../acme/.git/worktrees/fix-7\n")

    assert State.find(tree).folder == main / ".noxlib"


def test_worktrees_of_a_bare_repository_share_a_state_within_it(tmp_path: Path) -> None:
    tree = _worktree(tmp_path, tmp_path / "tree", "fix-7", common="acme.git")

    assert State.find(tree).folder == tmp_path / "acme.git" / ".noxlib"


@pytest.mark.parametrize(
    "text",
    [
        "gitdir: ../.git/modules/library\n",  # a submodule
        "gitdir: /nowhere/acme/.git/worktrees/x\n",  # copied away from its repository
        "something else\n",
        "",
    ],
)
def test_another_git_file_leaves_the_state_where_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text)

    found = State.find(tmp_path)

    assert (found.folder, found.checkout) == (tmp_path / ".noxlib", "main")


def test_a_git_file_that_is_not_text_leaves_the_state_where_it_is(tmp_path: Path) -> None:
    (tmp_path / ".git").write_bytes(b"gitdir: \xff\xfe")

    assert State.find(tmp_path).folder == tmp_path / ".noxlib"


def test_noxlib_state_names_another_folder_and_keeps_checkouts_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = _worktree(_repository(tmp_path / "acme"), tmp_path / "tree", "fix-7")
    monkeypatch.setenv("NOXLIB_STATE", "../state")

    found = State.find(tree)

    assert found.folder.resolve() == tmp_path / "state"
    assert found.checkout == "fix-7"


def test_a_symlink_to_the_repository_leads_to_the_same_state(tmp_path: Path) -> None:
    real = _repository(tmp_path / "acme")
    (tmp_path / "link").symlink_to(real)

    assert State.find(tmp_path / "link") == State.find(real)


def test_run_ids_are_unique_and_sort_by_time(tmp_path: Path) -> None:
    state = State.find(tmp_path)
    runs = [state.new_run("unit-a") for _ in range(50)]

    ids = [run.run_id for run in runs]
    assert len(set(ids)) == 50
    assert [each[:19] for each in ids] == sorted(each[:19] for each in ids)
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}-[0-9a-f]{8}", ids[0])


def test_a_run_folder_has_room_for_logs_and_coverage(tmp_path: Path) -> None:
    state = State.find(tmp_path)
    run = state.new_run("unit-a")

    assert run.folder == tmp_path / ".noxlib" / "runs" / "main" / "unit-a" / run.run_id
    assert run.folder == state.run_folder("unit-a", run.run_id)
    assert sorted(each.name for each in run.folder.iterdir()) == ["coverage", "logs"]


def test_the_state_is_hidden_from_git_and_backups(tmp_path: Path) -> None:
    state = State.find(tmp_path)

    assert state.cache == tmp_path / ".noxlib" / "cache"

    assert (tmp_path / ".noxlib" / ".gitignore").read_text() == "*\n"
    tag = (tmp_path / ".noxlib" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def runs_with_records(state: State, *partial: bool | None) -> list[Run]:
    """Make a run for each: partial or whole, None without a record."""
    runs = sorted((state.new_run("unit-a") for _ in partial), key=lambda run: run.run_id)
    for run, part in zip(runs, partial, strict=True):
        if part is not None:
            run.write_record(replace(RECORD, run_id=run.run_id, partial=part))
    return runs


def test_the_latest_run_of_the_whole_suite_is_what_counts(tmp_path: Path) -> None:
    state = State.find(tmp_path)
    assert state.latest_whole("unit-a") is None
    runs = runs_with_records(state, False, False, True, None)
    assert state.latest_whole("unit-a") == runs[1].folder
    (runs[2].folder / "record.json").write_text("{}")
    with pytest.raises(RecordError, match="remove its folder"):
        state.latest_whole("unit-a")


def test_pruning_keeps_the_newest_and_the_latest_of_the_whole_suite(tmp_path: Path) -> None:
    state = State.find(tmp_path)
    runs = runs_with_records(state, None, False, True, None, True, None)
    other = state.new_run("unit-b")

    state.prune("unit-a", keep=2)

    assert sorted(each.name for each in runs[0].folder.parent.iterdir()) == [
        runs[1].run_id,
        runs[4].run_id,
        runs[5].run_id,
    ]
    assert other.folder.is_dir()
    (runs[4].folder / "record.json").write_text("broken")
    state.prune("unit-a", keep=1)
    assert [each.name for each in runs[0].folder.parent.iterdir()] == [runs[5].run_id]


def test_pruning_what_never_ran_is_no_error(tmp_path: Path) -> None:
    State.find(tmp_path).prune("unit-a")

    assert list(tmp_path.iterdir()) == []


def test_failing_examples_lie_apart_for_each_service(tmp_path: Path) -> None:
    state = State.find(tmp_path)

    assert state.examples("cs1") == tmp_path / ".noxlib" / "examples" / "cs1"


def test_a_state_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / ".noxlib").write_text("a file")

    with pytest.raises(RecordError, match="can't be made") as caught:
        State.find(tmp_path).new_run("unit-a")

    assert "NOXLIB_STATE" in caught.value.remedy


def test_a_read_only_state_folder_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / ".noxlib").mkdir(mode=0o555)
    state = State.find(tmp_path)

    if os.geteuid() == 0:  # root may write anywhere
        assert state.new_run("unit-a").folder.is_dir()
    else:
        assert state.cache  # hiding it is tried, and no reason to fail
        with pytest.raises(RecordError, match="can't be made"):
            state.new_run("unit-a")
