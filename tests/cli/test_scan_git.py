"""``kojikey scan --git`` and ``--staged``: every object of a repository, and nothing of the repository runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.program import Ended, Program

pytestmark = pytest.mark.external

Git = Callable[..., str]


@pytest.fixture
def key(kojikey: Program) -> str:
    return kojikey.added("elevenlabs").key


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def git(repository: Path) -> Git:
    """Return what runs git in a new repository and returns its output."""
    who = {f"GIT_{role}_{name}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for name in ("NAME", "EMAIL")}
    safe = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*arguments: str, given: str | None = None, **environ: str) -> str:
        ended = subprocess.run(
            ["git", *arguments], cwd=repository, env={**os.environ, **who, **safe, **environ}, input=given,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return ended.stdout.strip()

    run("init", "-q", "-b", "main")
    return run


def commit(git: Git, repository: Path, files: dict[str, str], message: str = "a change") -> str:
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git("add", "-A")
    git("commit", "-qm", message)
    return git("rev-parse", "HEAD")


def scan(kojikey: Program, *arguments: str, **environ: str) -> Ended:
    ended = kojikey("scan", "--json", *arguments, **environ)
    assert kojikey.key("elevenlabs", "ok").key not in ended.said
    return ended


def test_a_repository_that_is_named_twice_is_searched_once_and_one_inside_it_too(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"d/env": key})
    git("init", "-q", "inner")
    (repository / "inner" / "own").write_text(key)
    git("-C", "inner", "add", "own")
    assert [row["file"] for row in scan(kojikey, "--git", ".", "d").results] == ["d/env"]
    assert [row["file"] for row in scan(kojikey, "--staged", ".", "d", "inner").results] == ["own"]


def test_a_key_that_was_deleted_again_is_found_in_the_commit_that_brought_it_in(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"a": "1"})
    first = commit(git, repository, {"d/env": f"x\nK={key}\n"})
    commit(git, repository, {"d/env": f"y\nK={key}\n"})
    git("rm", "-q", "d/env")
    git("commit", "-qm", "gone")
    ended = scan(kojikey, "--git")
    assert ended.code == 3
    assert {(row["file"], row["line"], row["column"]) for row in ended.results} == {("d/env", 2, 3)}
    assert len(ended.results) == 2
    assert first in {row["commit"] for row in ended.results}
    assert f"{first[:12]}:d/env:2" in kojikey("scan", "--git").out


def test_an_object_that_no_commit_reaches_is_found_by_its_id(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"a": "1"})
    name = git("hash-object", "-w", "--stdin", given=f"\n{key}")
    row = scan(kojikey, "--git").result
    assert (row["commit"], row["object"], row["file"], row["line"]) == (None, name, None, 2)
    assert f"{name}:2" in kojikey("scan", "--git").out


def test_a_commit_that_nothing_refers_to_any_more_is_read(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"a": "1"})
    lost = commit(git, repository, {"env": key})
    git("reset", "-q", "--hard", "HEAD~1")
    git("reflog", "expire", "--expire=now", "--all")
    row = scan(kojikey, "--git").result
    assert (row["commit"], row["file"]) == (lost, "env")


def test_commit_messages_tags_and_names_are_read(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    message = commit(git, repository, {"a": "1"}, message=f"use {key}")
    git("tag", "-m", f"release with {key}", "v1")
    git("checkout", "-q", "-b", "other")
    commit(git, repository, {f"d/{key}": "2"})
    kinds = {row["object_type"]: row for row in scan(kojikey, "--git").results}
    assert set(kinds) == {"commit", "tag", "tree"}
    assert kinds["commit"]["commit"] == kinds["commit"]["object"] == message
    assert kinds["tag"]["object"] == git("rev-parse", "v1")
    assert (kinds["tree"]["file"], kinds["tree"]["line"]) == ("d", None)


def test_packed_and_loose_objects_of_a_bare_repository_are_read(
    kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path
) -> None:
    commit(git, repository, {"env": key, "other": "x" * 5000})
    git("gc", "-q")
    git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    assert scan(kojikey, "--git", str(tmp_path / "bare")).result["file"] == "env"


def test_a_sha256_repository_is_read(kojikey: Program, key: str, git: Git, tmp_path: Path) -> None:
    folder = tmp_path / "sha256"
    git("init", "-q", "--object-format=sha256", str(folder))
    (folder / "env").write_text(key)
    git("-C", str(folder), "add", "env")
    assert scan(kojikey, "--staged", str(folder)).result["file"] == "env"
    git("-C", str(folder), "commit", "-qm", "x")
    assert len(scan(kojikey, "--git", str(folder)).result["commit"]) == 64


def test_a_shallow_clone_is_reported(kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path) -> None:
    commit(git, repository, {"a": "1"})
    commit(git, repository, {"env": key})
    git("clone", "-q", "--depth", "1", f"file://{repository}", str(tmp_path / "shallow"))
    ended = scan(kojikey, "--git", str(tmp_path / "shallow"))
    assert (ended.result["file"], ended.document["summary"]["shallow"]) == ("env", True)
    assert "this clone is shallow" in ended.err


def test_a_partial_clone_is_reported(kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path) -> None:
    commit(git, repository, {"env": key})
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{repository}", str(tmp_path / "partial"))
    ended = scan(kojikey, "--git", str(tmp_path / "partial"))
    assert (ended.code, ended.document["summary"]["partial"]) == (0, True)
    assert "this clone is partial" in ended.err
    assert not scan(kojikey, "--git").document["summary"]["partial"]


def test_a_lost_pack_is_exit_4(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    commit(git, repository, {"env": key})
    git("gc", "-q")
    (pack,) = (repository / ".git" / "objects" / "pack").glob("*.pack")
    pack.unlink()
    ended = scan(kojikey, "--git")
    assert ended.code == 4
    assert "a branch or tag names an object that is missing" in ended.err


def test_worktrees_and_submodules_lead_to_their_repository(
    kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path
) -> None:
    commit(git, repository, {"env": key})
    work, whole = tmp_path / "work", tmp_path / "whole"
    git("worktree", "add", "-q", str(work))
    (work / "new").write_text(key)
    git("-C", str(work), "add", "new")
    assert scan(kojikey, "--git", str(work)).result["file"] == "env"
    assert scan(kojikey, "--staged", str(work)).result["file"] == "new"
    git("init", "-q", str(whole))
    git("-C", str(whole), "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "part")
    assert scan(kojikey, "--git", str(whole)).code == 0
    assert scan(kojikey, "--staged", str(whole)).code == 0
    assert scan(kojikey, "--git", str(whole / "part")).result["file"] == "env"


@pytest.mark.parametrize(
    ("damaged", "option", "said"),
    [
        ("index", "--staged", "git cannot read the index"),
        ("config", "--git", "git cannot read the repository"),
        ("config", "--staged", "git cannot read the repository"),
    ],
)
def test_a_repository_that_git_cannot_read_is_named_and_exit_4(
    kojikey: Program, key: str, git: Git, repository: Path, damaged: str, option: str, said: str
) -> None:
    commit(git, repository, {"env": key})
    (repository / ".git" / damaged).write_text("[damaged")
    ended = scan(kojikey, option)
    assert ended.code == 4
    assert said in ended.err


@pytest.mark.parametrize("option", ["--git", "--staged"])
@pytest.mark.parametrize("place", ["HEAD", "config"])
def test_a_fifo_in_place_of_a_file_of_git_is_named_and_not_waited_for(
    kojikey: Program, key: str, git: Git, repository: Path, option: str, place: str
) -> None:
    commit(git, repository, {"env": key})
    (repository / ".git" / place).unlink()
    os.mkfifo(repository / ".git" / place)
    ended = scan(kojikey, option)
    assert ended.code == 4
    assert "a FIFO stands in place of one of git's files" in ended.err


def test_a_repository_of_another_user_is_named_and_exit_4(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"env": key})
    foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for option in ("--git", "--staged"):
        ended = scan(kojikey, option, **foreign)
        assert ended.code == 4
        assert "belongs to another user, and git does not trust it" in ended.err


def test_staged_is_what_differs_from_the_last_commit_as_it_is_in_the_index(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    commit(git, repository, {"old": key, "moved": f"{key}\n" * 2})
    assert scan(kojikey, "--staged").code == 0
    (repository / "new").write_text(f"\n{key}")
    (repository / "same").write_text(f"\n{key}")
    assert scan(kojikey, "--staged").code == 0
    git("add", "new", "same")
    (repository / "new").write_text("changed since")
    git("rm", "-q", "old")
    rows = scan(kojikey, "--staged").results
    assert [(row["file"], row["line"], row["commit"]) for row in rows] == [("new", 2, None), ("same", 2, None)]
    assert "new:2:1" in kojikey("scan", "--staged").out


def test_staged_before_the_first_commit_is_the_whole_index(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    for option in ("--git", "--staged"):
        assert scan(kojikey, option).code == 0
    (repository / "env").write_text(key)
    git("add", "env")
    assert scan(kojikey, "--staged").result["file"] == "env"
    assert scan(kojikey, "--git").result["commit"] is None


def test_as_a_hook_it_reads_the_index_that_git_is_about_to_commit(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    """``git commit -a`` has an index of its own, and tells its hooks by a variable."""
    from support.program import COMMAND

    commit(git, repository, {"env": "1"})
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\nexec {' '.join(COMMAND)} scan --staged\n")
    hook.chmod(0o755)
    (repository / "env").write_text(key)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        git("commit", "-qam", "x", **{n: v for n, v in kojikey.environ.items() if n.startswith("KOJIKEY")})
    assert "env:1:1" in refused.value.stdout + refused.value.stderr
    (repository / "env").write_text("2")
    git("commit", "-qam", "x", **{n: v for n, v in kojikey.environ.items() if n.startswith("KOJIKEY")})


def test_many_staged_files_cause_no_deadlock(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    for number in range(3000):
        (repository / f"f{number}").write_text(f"{number}\n" * 100)
    (repository / "f2999").write_text(key)
    git("add", "-A")
    ended = scan(kojikey, "--staged")
    assert (ended.result["file"], ended.document["summary"]["objects"]) == ("f2999", 3000)


def test_nothing_of_the_repository_runs(kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {witness}\ncat\n")
    program.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    commit(git, repository, {"env": key})
    (repository / "new").write_text(key)
    git("add", "new")
    hooks = repository / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-checkout", "fsmonitor-watchman", "post-index-change", "reference-transaction"):
        (hooks / name).write_text(program.read_text())
        (hooks / name).chmod(0o755)
    for name, value in {
        "core.fsmonitor": str(program), "core.hooksPath": str(hooks), "core.pager": str(program),
        "core.sshCommand": str(program), "core.editor": str(program), "core.askPass": str(program),
        "core.alternateRefsCommand": str(program), "diff.external": str(program), "pager.cat-file": str(program),
        "filter.evil.clean": str(program), "filter.evil.smudge": str(program), "filter.evil.process": str(program),
        "diff.evil.textconv": str(program), "diff.evil.command": str(program), "alias.cat-file": f"!{program}",
        "alias.rev-list": f"!{program}", "protocol.ext.allow": "always", "remote.origin.url": f"ext::{program} %S",
        "remote.origin.promisor": "true", "extensions.partialClone": "origin",
    }.items():  # fmt: skip
        git("config", name, value)
    objects = repository / ".git" / "objects"
    tree = git("rev-parse", "HEAD^{tree}", GIT_NO_LAZY_FETCH="1")
    (objects / tree[:2] / tree[2:]).unlink()  # a partial clone would fetch it
    witness.unlink(missing_ok=True)
    for option in ("--git", "--staged"):
        scan(kojikey, option, GIT_EXTERNAL_DIFF=str(program), GIT_PAGER=str(program))
    assert not witness.exists(), witness.read_text()


def test_a_damaged_object_is_named_and_exit_4(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    commit(git, repository, {"a": "1"})
    name = git("hash-object", "-w", "--stdin", given="damaged")
    path = repository / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o600)
    path.write_bytes(b"nothing of git's")
    ended = scan(kojikey, "--git")
    assert ended.code == 4
    assert f"object {name} was not read: missing or damaged" in ended.err


def test_after_an_object_that_ends_git_the_others_are_searched(
    kojikey: Program, key: str, git: Git, repository: Path
) -> None:
    """Git gives up in the midst of a large object whose end is damaged."""
    for number in range(6):
        (repository / f"f{number}").write_bytes(f"{number}{key}\n".encode() + os.urandom(3_000_000))
        name = git("hash-object", "-w", f"f{number}")
        if number % 2:
            path = repository / ".git" / "objects" / name[:2] / name[2:]
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-1_000_000])
    git("config", "core.bigFileThreshold", "1m")
    ended = scan(kojikey, "--git")
    assert ended.code == 3
    assert len(ended.document["unreadable"]) == 3
    assert len({row["object"] for row in ended.results}) >= 3
    assert all("missing or damaged" in row["reason"] for row in ended.document["unreadable"])


def test_many_objects_are_searched_completely(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    git("fast-import", "--quiet", given="".join(
        f"blob\ndata <<END\n{number}\n{key if number % 100 == 0 else ''}\nEND\n" for number in range(1000)
    ))  # fmt: skip
    ended = kojikey.installed("scan", "--git", "--json")
    assert ended.document["summary"]["objects"] == 1000
    assert len(ended.results) == 10
    assert {(row["line"], row["object_type"], row["commit"]) for row in ended.results} == {(2, "blob", None)}


@pytest.mark.parametrize("option", ["--git", "--staged"])
def test_a_path_that_is_in_no_repository_is_exit_2(kojikey: Program, key: str, repository: Path, option: str) -> None:
    for arguments in ([], [str(repository)]):
        ended = scan(kojikey, option, *arguments)
        assert ended.code == 2
        assert "is not in a git repository; nothing was read" in ended.error["message"]
    assert scan(kojikey, option, "-").code == 2
    assert scan(kojikey, option, "nothere").code == 2


@pytest.mark.parametrize("name", [".git", ".git/objects"])
def test_a_repository_that_this_user_may_not_read_is_named_and_exit_4(
    kojikey: Program, key: str, git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (repository / ".git" / "HEAD").unlink()  # git, which runs as root in a container, sees no repository either way
    able = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(name) and able(path, mode))
    ended = scan(kojikey, "--git")
    assert (ended.code, ended.results) == (4, [])
    assert [row["reason"] for row in ended.document["unreadable"]] == ["this user may not read the repository"]


@pytest.mark.parametrize("option", ["--git", "--staged"])
def test_without_git_it_is_exit_2(kojikey: Program, key: str, repository: Path, option: str) -> None:
    ended = scan(kojikey, option, PATH="/nonexistent")
    assert ended.code == 2
    assert "git was not found" in ended.error["message"]


def test_the_environment_of_a_hook_does_not_change_which_repository_is_read(
    kojikey: Program, key: str, git: Git, repository: Path, tmp_path: Path
) -> None:
    commit(git, repository, {"env": key})
    git("init", "-q", str(tmp_path / "other"))
    ended = scan(kojikey, "--git", str(repository), GIT_DIR=str(tmp_path / "other" / ".git"))
    assert ended.result["file"] == "env"


def test_a_key_is_not_found_across_two_objects(kojikey: Program, key: str, git: Git, repository: Path) -> None:
    commit(git, repository, {"a": key[:20], "b": key[20:]})
    assert scan(kojikey, "--git").code == 0
