"""``config``, ``store list`` and ``store use`` change one place of config.toml and never show a password."""

from __future__ import annotations

import os
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from kojikey.config.settings import without_password
from support.program import COMMAND, Ended, Program
from support.pseudo_terminal import printed_on_a_terminal

WRITTEN = """\
# my settings
account = "acme"   # the customer

[stores.team]   # of us all
# where it is
url = "sqlite:///srv/team.db"
"""
SECRET = "s3cr@t"
WITH_PASSWORD = f'[stores.team]\nurl = "postgresql://me:{SECRET}@db.example:5432/keys?sslmode=verify-full"\n'


@pytest.fixture
def file(kojikey: Program) -> Path:
    """Return the path of a config.toml with comments."""
    kojikey.home.mkdir(mode=0o700)
    path = kojikey.home / "config.toml"
    path.touch(mode=0o600)
    path.write_text(WRITTEN)
    return path


def refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.said
    assert all(word in ended.said for word in words), ended.said


def test_the_path_is_reported_also_where_the_file_is_missing_or_has_mistakes(kojikey: Program) -> None:
    path = kojikey.home / "config.toml"
    assert kojikey("config", "path").out == f"{path}\n"
    assert kojikey("config", "path", "--json").result == {"path": str(path)}
    kojikey.home.mkdir(mode=0o700)
    path.write_text("acount = 1")
    assert kojikey("config", "path").out == f"{path}\n"
    refused(kojikey("config", "get"), 2, "line 1", "acount is not a setting")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_path_is_written_to_a_script_in_its_own_bytes(kojikey: Program, tmp_path: Path, encoding: str) -> None:
    home = tmp_path / "käy → \udcff"
    environ = {"KOJIKEY_HOME": str(home), "PYTHONIOENCODING": encoding}
    with (tmp_path / "out").open("w+b") as out:
        for command in (["config", "path"], ["providers", "new", "acme"]):
            subprocess.run([*COMMAND, *command], stdout=out, env=kojikey.with_environ(environ), check=True)
        out.seek(0)
        lines = out.read().splitlines()
    assert lines == [os.fsencode(home / "config.toml"), os.fsencode(home / "providers" / "acme.toml")]
    assert (home / "providers" / "acme.toml").is_file()


def test_a_value_is_written_to_a_script_in_its_own_bytes(kojikey: Program) -> None:
    assert kojikey("config", "set", "kek", "file:/srv/schlüssel").code == 0
    assert kojikey("config", "get", "kek", encoding="ascii").out == "file:/srv/schlüssel\n"


def test_a_path_cannot_control_a_terminal_or_a_workflow(kojikey: Program, tmp_path: Path) -> None:
    home = str(tmp_path / "a\n::set-env name=X::y")
    assert "\n::" not in kojikey("config", "path", GITHUB_ACTIONS="true", KOJIKEY_HOME=home).out
    assert kojikey("config", "path", KOJIKEY_HOME=home).out == f"{home}/config.toml\n"
    escape = str(tmp_path / "\x1b[2J")
    code, text = printed_on_a_terminal(kojikey, "config", "path", KOJIKEY_HOME=escape)
    assert code == 0
    assert "\x1b[2J" not in text


def test_a_value_is_set_read_and_removed_and_comments_stay(kojikey: Program, file: Path) -> None:
    assert kojikey("config", "get", "account").out == "acme\n"
    ended = kojikey("config", "set", "account", "globex", "--json")
    assert ended.result == {"action": "changed", "name": "account", "value": "globex", "path": str(file)}
    assert file.read_text() == WRITTEN.replace('"acme"', '"globex"')
    assert kojikey("list", "--json").results[0]["account"] == "globex"
    assert kojikey("config", "set", "kek", "env").code == 0
    assert kojikey("config", "set", "stores.two.url", "sqlite:///srv/two.db").code == 0
    text = file.read_text()
    assert all(comment in text for comment in ("# my settings", "# the customer", "# of us all", "# where it is"))
    for name in ("kek", "stores.two.url", "account"):
        assert kojikey("config", "unset", name, "--json").result["action"] == "changed"
    assert tomllib.loads(file.read_text()) == {"stores": {"team": {"url": "sqlite:///srv/team.db"}}}
    assert all(comment in file.read_text() for comment in ("# my settings", "# of us all", "# where it is"))


def test_a_missing_file_is_created_for_its_owner_only(kojikey: Program) -> None:
    assert kojikey("config", "set", "account", "acme").code == 0
    path = kojikey.home / "config.toml"
    assert path.read_text() == 'account = "acme"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kojikey.home.stat().st_mode) == 0o700


def test_setting_the_same_value_changes_nothing(kojikey: Program, file: Path) -> None:
    before = kojikey.snapshot()
    for arguments in (("set", "account", "acme"), ("unset", "kek"), ("unset", "stores.other")):
        assert kojikey("config", *arguments, "--json").result["action"] == "unchanged"
    assert kojikey("store", "use", "local", "--json").result["action"] == "changed"
    assert kojikey("store", "use", "local", "--json").result["action"] == "unchanged"
    assert before[next(iter(before))][1] == kojikey.snapshot()[next(iter(before))][1]


@pytest.mark.parametrize("form", [{"line_end": "\r\n"}, {"mark": "\ufeff"}, {"mode": 0o644}, {"link": True}], ids=str)
def test_line_ends_byte_order_mark_mode_and_link_of_the_file_stay(
    kojikey: Program, file: Path, tmp_path: Path, form: dict[str, object]
) -> None:
    content = (str(form.get("mark", "")) + WRITTEN).replace("\n", str(form.get("line_end", "\n"))).encode()
    file.write_bytes(content)
    file.chmod(int(str(form.get("mode", 0o600))))
    if form.get("link"):
        real = tmp_path / "dotfiles.toml"
        file.rename(real)
        file.symlink_to(real)
    assert kojikey("config", "set", "account", "globex").code == 0
    assert file.read_bytes() == content.replace(b'"acme"', b'"globex"')
    assert stat.S_IMODE(file.stat().st_mode) == form.get("mode", 0o600)
    assert file.is_symlink() == bool(form.get("link"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("account", "ACME", "did you mean acme?"),
        ("account", "", "account"),
        ("kek", "nonsense", "a KEK source is one of"),
        ("kek", "file", "a KEK source is one of"),
        ("stores.team.url", "no url", "sqlite:///"),
        ("stores.team.url", "ftp://x", "there are no ftp stores"),
        ("stores.local.url", "sqlite:///x.db", "choose another"),
        ("stores.Bad.url", "sqlite:///x.db", "no setting of that name"),
        ("colour", "red", "the settings are"),
    ],
)
def test_a_malformed_value_changes_nothing(kojikey: Program, file: Path, name: str, value: str, words: str) -> None:
    before = kojikey.snapshot()
    refused(kojikey("config", "set", name, value), 2, words)
    assert kojikey.snapshot() == before


@pytest.mark.parametrize("words", [(), ("account",), ("account", "a", "b")])
def test_set_takes_a_name_and_a_value(kojikey: Program, words: tuple[str, ...]) -> None:
    refused(kojikey("config", "set", *words), 2, "kojikey config set")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@db.example/keys", "postgresql://me:p/w@db.example/keys",
        "postgresql://me@db.example/keys?password=s3cret", "postgresql://me@db.example/keys?x=1&sslpassword=s3cret",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["store", "stores.team.url", "stores.new.url"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    kojikey: Program, file: Path, name: str, url: str
) -> None:
    before = kojikey.snapshot()
    ended = kojikey("config", "set", name, url)
    refused(ended, 2, "a password in a URL on the command line", ".pgpass")
    assert "s3cret" not in ended.said
    assert "p/w" not in ended.said
    assert kojikey.snapshot() == before


@pytest.mark.parametrize("command", [["config", "get"], ["config", "get", "stores.team.url"], ["store", "list"]])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_password_in_the_file_is_shown_as_stars(
    kojikey: Program, file: Path, command: list[str], more: list[str]
) -> None:
    file.write_text(WITH_PASSWORD)
    ended = kojikey(*command, *more)
    refused(ended, 0, "postgresql://me:***@db.example:5432/keys?sslmode=verify-full")
    assert "s3cr" not in ended.said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("postgresql://me@db:5432/keys", "postgresql://me@db:5432/keys"),
        ("postgresql://db/keys?password=x&user=me", "postgresql://db/keys?password=***&user=me"),
        ("postgresql://me:x@db/keys?SSLPASSWORD=y#z", "postgresql://me:***@db/keys?SSLPASSWORD=***#z"),
        ("postgresql://me:a@b:c@db/keys", "postgresql://me:***@db/keys"),
        ("postgresql://me:a/b@db/keys", "postgresql://me:***@db/keys"),
    ],
)
def test_only_the_password_is_replaced_by_stars(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_get_of_a_setting_that_is_not_set_is_exit_5(kojikey: Program, file: Path) -> None:
    refused(kojikey("config", "get", "kek"), 5, "kek is not set", "kojikey config set kek VALUE")
    refused(kojikey("config", "get", "stores.other.url", "--json"), 5, '"code": "not_found"')
    refused(kojikey("config", "get", "colour"), 2, "the settings are")


def test_the_default_store_is_chosen_by_name(kojikey: Program, file: Path, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'two.db'}"
    assert kojikey("store", "init", url, "--name", "two", "--kek", "env").code == 0
    assert "# the customer" in file.read_text()
    assert [row["is_default"] for row in kojikey("store", "list", "--json").results] == [True, False, False]
    assert kojikey("store", "use", "two").code == 0
    rows = {row["name"]: row for row in kojikey("store", "list", "--json").results}
    assert list(rows) == ["local", "team", "two"]
    assert rows["two"] == {"name": "two", "url": url, "is_default": True}
    assert kojikey("store", "info", "--json").result["place"] == str(tmp_path / "two.db")
    refused(kojikey("config", "unset", "stores.two"), 6, "kojikey store use local")
    refused(kojikey("store", "use", "local", KOJIKEY_STORE="two"), 0, "KOJIKEY_STORE is set")
    refused(kojikey("store", "list", KOJIKEY_STORE=url), 0, "KOJIKEY_STORE", url)


def test_a_store_without_a_name_cannot_be_the_default(kojikey: Program, file: Path) -> None:
    before = kojikey.snapshot()
    refused(kojikey("store", "use", "nope"), 5, "known: local, team")
    refused(kojikey("store", "use", "sqlite:///x.db"), 2, "kojikey config set stores.NAME.url")
    refused(kojikey("config", "set", "store", "nope"), 5, "known: local, team")
    assert kojikey.snapshot() == before


def test_a_file_that_cannot_be_written_is_named(kojikey: Program, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(kojikey("config", "set", "account", "globex"), 7, "No space left", "it was not changed")
    assert file.read_text() == WRITTEN
    assert [path.name for path in kojikey.home.iterdir()] == ["config.toml"]


def test_a_sentence_for_people_is_printed_where_the_encoding_lacks_a_character(
    kojikey: Program, tmp_path: Path
) -> None:
    ended = kojikey("config", "set", "kek", "env", encoding="ascii", KOJIKEY_HOME=str(tmp_path / "clés"))
    assert ended.code == 0
    assert "/cl?s/" in ended.out


def test_a_key_as_a_value_is_refused_and_not_repeated(kojikey: Program) -> None:
    key = kojikey.key().key
    ended = kojikey("config", "set", "account", key)
    refused(ended, 2, "looks like a provider key")
    assert key not in ended.said
    assert not kojikey.home.exists()
