"""Files and environment: the order of settings, the place of the KEK, and file permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from kojikey.config.settings import Settings, find_home
from support.each import each
from support.program import Program

VARIABLES = ("KOJIKEY_HOME", "KOJIKEY_KEK")
WITH_PASSWORD = '[stores.team]\nurl = "postgresql://me:hunter2@localhost/keys"\n'


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def configured(kojikey: Program, text: str) -> None:
    kojikey.home.mkdir(mode=0o700, exist_ok=True)
    (kojikey.home / "config.toml").write_text(text)
    (kojikey.home / "config.toml").chmod(0o600)


def accounts(kojikey: Program) -> list[str]:
    return [row["account"] for row in kojikey("list", "--all-accounts", "--json").results]


# option > environment > config.toml > default


def test_the_account_is_from_the_option_the_environment_the_file_and_the_default(kojikey: Program) -> None:
    key = kojikey.key()
    tokens = ("add", "elevenlabs", "--no-test", "--from-env", "NEW")
    assert kojikey(*tokens, NEW=key.key).code == 0
    configured(kojikey, 'account = "from-file"\n')
    assert kojikey(*tokens, NEW=key.key).code == 0
    assert kojikey(*tokens, NEW=key.key, KOJIKEY_ACCOUNT="from-environment").code == 0
    assert kojikey(*tokens, "-a", "from-option", NEW=key.key, KOJIKEY_ACCOUNT="from-environment").code == 0
    assert accounts(kojikey) == ["default", "from-environment", "from-file", "from-option"]
    assert kojikey("list", "--json", KOJIKEY_ACCOUNT="").results[0]["account"] == "from-file"


@pytest.mark.parametrize("origin", ["KOJIKEY_ACCOUNT", "config.toml"])
def test_a_malformed_account_is_reported_with_its_origin(kojikey: Program, origin: str) -> None:
    configured(kojikey, 'account = "Acme"\n' if origin == "config.toml" else "")
    ended = kojikey("list", "--json", **({"KOJIKEY_ACCOUNT": "Acme"} if origin == "KOJIKEY_ACCOUNT" else {}))
    assert (ended.code, ended.error["message"]) == (
        2, f"in {origin}: an account name has no capital letters; nothing was done",
    )  # fmt: skip
    assert kojikey("list", "-a", "Acme", "--json").error["message"].startswith("an account name")


@pytest.mark.parametrize("origin", ["KOJIKEY_ACCOUNT", "config.toml"])
def test_a_malformed_account_stops_no_command_that_has_none_and_config_set_corrects_it(
    kojikey: Program, origin: str
) -> None:
    configured(kojikey, 'account = "Acme"\n' if origin == "config.toml" else "")
    kojikey.environ |= {"KOJIKEY_ACCOUNT": "Acme"} if origin == "KOJIKEY_ACCOUNT" else {}
    for command in (("help", "add"), ("providers",), ("account", "list"), ("store", "list"), ("config", "get")):
        assert (command, kojikey(*command).code) == (command, 0)
    assert "KOJIKEY_ACCOUNT" not in kojikey("providers", "none").said
    assert kojikey("config", "set", "account", "acme").code == 0
    assert kojikey("list", KOJIKEY_ACCOUNT=None).code == 0


@pytest.mark.parametrize("name", ["account", "admin_account"])
def test_a_key_as_an_account_in_the_file_is_not_repeated(kojikey: Program, name: str) -> None:
    key = kojikey.key().key
    configured(kojikey, f'# mine\n{name} = "{key}"\n')
    for command in ("list", "doctor"):
        ended = kojikey(command)
        assert (ended.code, key in ended.said) == (2, False)
        assert f"line 2: {name} looks like a provider key" in ended.said


@pytest.mark.parametrize("origin", ["KOJIKEY_STORE", "config.toml"])
def test_to_create_a_store_that_is_chosen_and_unknown_its_url_is_needed(kojikey: Program, origin: str) -> None:
    configured(kojikey, 'store = "team"\n' if origin == "config.toml" else "")
    ended = kojikey("list", "--json", **({"KOJIKEY_STORE": "team"} if origin == "KOJIKEY_STORE" else {}))
    assert ended.error["hint"] == "kojikey store init URL --name NAME --kek SOURCE"
    if origin == "config.toml":
        configured(kojikey, 'store = "local"\n')
        assert kojikey("store", "use", "team", "--json").error["hint"] == ended.error["hint"]


@pytest.mark.parametrize("chosen", ["--store", "KOJIKEY_STORE"])
def test_a_hint_with_a_url_that_is_not_of_the_store_keeps_it_where_a_store_is_chosen(
    kojikey: Program, chosen: str
) -> None:
    url = f"sqlite://{kojikey.home / 'keys.db'}"
    kojikey.environ |= {chosen: url} if chosen.isupper() else {}
    options = [] if chosen.isupper() else [chosen, url]
    ended = kojikey("test", "elevenlabs", "--base-url", "https://x.example", "--json", *options)
    assert ended.error["hint"].endswith(" --stdin --base-url URL")
    assert kojikey("store", "use", "sqlite:///x.db", "--json").error["hint"].endswith("config set stores.NAME.url URL")


@pytest.mark.parametrize("origin", ["KOJIKEY_STORE", "config.toml"])
def test_a_store_that_does_not_exist_is_reported_with_its_origin(kojikey: Program, origin: str) -> None:
    configured(kojikey, 'store = "team"\n' if origin == "config.toml" else "")
    ended = kojikey("list", "--json", **({"KOJIKEY_STORE": "team"} if origin == "KOJIKEY_STORE" else {}))
    assert ended.code == 5
    assert ended.error["message"].startswith(f"in {origin}: there is no store of that name")
    assert kojikey("list", "-s", "team", "--json").error["message"].startswith("there is no store of that name")


def test_the_store_is_from_the_option_the_environment_the_file_and_the_default(
    kojikey: Program, tmp_path: Path
) -> None:
    urls = {name: f"sqlite://{tmp_path / name}.db" for name in ("option", "environment", "file")}
    for url in urls.values():
        assert kojikey("store", "init", url, "--kek", "env").code == 0
    kojikey("store", "init", "--kek", "env")

    def place(*options: str, **environ: str) -> str:
        shown: str = kojikey("store", "info", "--json", *options, **environ).result["place"]
        return Path(shown).name

    assert place() == "keys.db"
    configured(kojikey, f'store = "team"\n[stores.team]\nurl = "{urls["file"]}"\n')
    assert place() == "file.db"
    assert place(KOJIKEY_STORE=urls["environment"]) == "environment.db"
    assert place("--store", urls["option"], KOJIKEY_STORE=urls["environment"]) == "option.db"
    assert place("-s", "local") == "keys.db"


@each("name", ["KOJIKEY_NO_INPUT", "CI"])
@each(
    ("value", "is_ruled_out"),
    [("1", True), ("true", True), ("YES", True), ("y", True), ("2", True), ("woodpecker", True), ("", False),
     (" ", False), ("0", False), ("False", False), ("no", False), ("off", False)],
)  # fmt: skip
def test_a_variable_forbids_questions_unless_it_is_empty_or_means_no(name: str, value: str, is_ruled_out: bool) -> None:
    settings = Settings({"KOJIKEY_HOME": "/nowhere", name: value}, config={})
    assert (settings.no_input, settings.ruled_out_by) == (is_ruled_out, name if is_ruled_out else "")


@pytest.mark.parametrize("how", ["option", "variable", "CI"])
def test_questions_are_forbidden_by_option_and_by_environment(kojikey: Program, how: str) -> None:
    kojikey.added()
    environ: dict[str, Any] = {"variable": {"KOJIKEY_NO_INPUT": "1"}, "CI": {"CI": "true"}, "option": {}}[how]
    options = ["--no-input"] if how == "option" else []
    ended = kojikey("remove", "elevenlabs", *options, **environ)
    assert (ended.code, kojikey.listed()["source"]) == (2, "byok")


# where files are, and who can read them


def test_home_holds_everything(kojikey: Program) -> None:
    kojikey.added()
    assert set(kojikey.snapshot()) == {"keys.db"}
    assert "config.toml" in kojikey("store", "info").out


def test_without_home_the_platforms_folders_are_used(kojikey: Program, tmp_path: Path) -> None:
    folders: dict[str, Any] = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
        "XDG_DATA_HOME": str(tmp_path / "d"),
    }
    key = kojikey.key()
    ended = kojikey("add", "elevenlabs", "--no-test", "--stdin", stdin=key.key, KOJIKEY_HOME=None, **folders)
    assert ended.code == 0, ended.said
    assert (tmp_path / "d" / "kojikey" / "keys.db").is_file()
    assert mode(tmp_path / "d" / "kojikey") == 0o700


@pytest.mark.parametrize("home", ["/home/anna", "/home/anna/", "/", "//x", "", "here", None])
@pytest.mark.parametrize("config", ["/c", "/c/", "", "relative", "~/c", None])
@pytest.mark.parametrize("data", ["/d", " ", None])
def test_the_folders_are_those_of_platformdirs(
    monkeypatch: pytest.MonkeyPatch, home: str | None, config: str | None, data: str | None
) -> None:
    for name, value in {"HOME": home, "XDG_CONFIG_HOME": config, "XDG_DATA_HOME": data, "KOJIKEY_HOME": None}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert find_home(os.environ) == (
        platformdirs.user_config_dir("kojikey", appauthor=False, roaming=True),
        platformdirs.user_data_dir("kojikey", appauthor=False),
    )


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o602, 0o644, 0o666], ids=oct)
@pytest.mark.parametrize("command", [["list"], ["run", "--", "echo", "started"]], ids=" ".join)
def test_a_store_file_that_others_can_read_or_write_is_refused_with_the_command_that_fixes_it(
    kojikey: Program, bits: int, command: list[str]
) -> None:
    kojikey.added()
    path = kojikey.home / "keys.db"
    path.chmod(bits)
    ended = kojikey.installed(*command) if command[0] == "run" else kojikey(*command)
    assert (ended.code, ended.out) == (7, "")
    hint = ended.err.splitlines()[-1].strip().removeprefix("try: ")
    assert hint.startswith("chmod ")
    assert str(path) in hint
    assert mode(path) == bits
    assert os.system(hint) == 0
    assert kojikey("list").code == 0


def test_a_folder_that_others_can_write_to_is_refused(kojikey: Program) -> None:
    kojikey.added()
    kojikey.home.chmod(0o777)
    ended = kojikey("list")
    assert (ended.code, "chmod" in ended.err) == (7, True)


def test_a_home_folder_that_cannot_be_created_is_reported_without_a_traceback(kojikey: Program) -> None:
    key = kojikey.key()
    ended = kojikey("add", "elevenlabs", "--no-test", "--stdin", stdin=key.key, KOJIKEY_HOME="/dev/null/here")
    assert (ended.code, "Traceback" in ended.err) == (7, False)
    assert key.key not in ended.said


# stores


def test_list_without_a_store_is_exit_0_and_creates_nothing(kojikey: Program) -> None:
    for command in (["list"], ["list", "--all-accounts"], ["audit"], ["doctor"], ["account", "list"]):
        assert kojikey(*command).code == 0
    assert [row["source"] for row in kojikey("list", "--json").results] == ["built_in", "built_in"]
    assert not kojikey.home.exists()


def test_a_named_store_is_never_created_or_replaced_by_another(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    url = f"sqlite://{tmp_path / 'none.db'}"
    for command in (["list"], ["test"], ["store", "info"], ["get", "elevenlabs", "--reveal"]):
        ended = kojikey(*command, "--store", url, "--json")
        assert (ended.code, ended.error["code"]) == (5, "not_found"), ended.said
    key = kojikey.key("elevenlabs", "ok_2")
    assert kojikey("add", "elevenlabs", "--stdin", "--store", url, stdin=key.key).code == 5
    assert not (tmp_path / "none.db").exists()


def test_init_is_safe_to_repeat_and_another_kek_is_a_conflict(kojikey: Program, tmp_path: Path) -> None:
    assert kojikey("store", "init", "--kek", "env", "--json").result["action"] == "created"
    before = kojikey.snapshot()
    again = kojikey("store", "init", "--kek", "env", "--json")
    assert (again.code, again.result["action"]) == (0, "exists")
    other = kojikey("store", "init", "--kek", f"file:{tmp_path / 'kek'}", "--json")
    assert (other.code, other.error["code"]) == (6, "conflict")
    assert "kojikey store rekey" in other.error["hint"]
    assert kojikey.snapshot() == before


def test_a_name_for_a_store_is_added_to_config_toml(kojikey: Program, tmp_path: Path) -> None:
    configured(kojikey, '# mine\naccount = "acme"\n')
    ended = kojikey("store", "init", f"sqlite://{tmp_path / 'team.db'}", "--name", "team", "--kek", "env")
    assert ended.code == 0, ended.said
    assert (kojikey.home / "config.toml").read_text().startswith('# mine\naccount = "acme"\n')
    assert kojikey("store", "info", "--store", "team").code == 0


# mistakes in files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('account = "a"\n\nstroe = "x"\n', ["line 3", "stroe"]),
        ("account = 3\n", ["line 1", "account"]),
        ('account = "a"\naccount = "b"\n', ["line 2"]),
        ("[stores.team]\nurl = 3\n", ["line 1", "stores.team"]),
        ('[stores.team]\nurl = "sqlite:///x"\ncolour = "red"\n', ["line 3", "colour"]),
        ('[stores."Bad Name"]\nurl = "sqlite:///x"\n', ["line 1", "Bad Name"]),
        ("account = \n", ["line 1"]),
        ('a = 1\nb = 2\nkek = ""\n', ["line 1: a", "line 2: b", "line 3: kek"]),
    ],
    ids=str,
)
def test_mistakes_in_config_toml_are_named_by_line_and_key_all_at_once(
    kojikey: Program, text: str, said: list[str]
) -> None:
    configured(kojikey, text)
    ended = kojikey("list", "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert "config.toml" in ended.error["message"]
    assert all(words in ended.error["message"] for words in said), ended.error["message"]


def test_a_config_that_is_not_text_is_a_usage_error(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_bytes(b"\xff\xfe\x00")
    assert kojikey("list", "--json").code == 2
    (kojikey.home / "config.toml").unlink()
    (kojikey.home / "config.toml").mkdir()
    assert kojikey("list", "--json").code == 2


# who else can touch config.toml


@pytest.mark.parametrize(
    ("mode", "text", "code"),
    [
        (0o600, 'account = "acme"\n', 0),
        (0o644, 'account = "acme"\n', 0),
        (0o620, 'account = "acme"\n', 7),
        (0o602, 'account = "acme"\n', 7),
        (0o600, WITH_PASSWORD, 0),
        (0o640, WITH_PASSWORD, 7),
        (0o604, WITH_PASSWORD, 7),
        (0o644, '[stores.mine]\nurl = "sqlite:///home/me/9:30@work.db"\n', 0),  # the name of a file
        (0o644, '[stores.team]\nurl = "postgresql://h/keys?sslmode=require&password=hunter2"\n', 7),
    ],
)
def test_a_config_that_others_can_write_or_read_a_password_in_is_refused_until_the_hint_is_typed(
    kojikey: Program, mode: int, text: str, code: int
) -> None:
    configured(kojikey, text)
    path = kojikey.home / "config.toml"
    path.chmod(mode)
    ended = kojikey("list", "--json")
    assert ended.code == code, ended.said
    checked = kojikey("doctor", "--json")
    row = next(row for row in checked.results if row["name"] == "config.toml")
    assert row["state"] == ("wrong" if code else "ok")
    assert "hunter2" not in ended.said + checked.said
    if code:
        assert ended.error["hint"] == row["mend"]
        assert kojikey.shell(ended.error["hint"]).code == 0
        assert kojikey("list", "--json").code == 0


def test_a_config_of_another_user_is_refused(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(kojikey, 'account = "acme"\n')
    if os.geteuid() == 0:  # whose files are trusted by all
        os.chown(kojikey.home / "config.toml", 4712, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert kojikey("list", "--json").code == 7


def test_doctor_names_a_config_with_mistakes(kojikey: Program) -> None:
    configured(kojikey, "account = 3\n")
    ended = kojikey("doctor", "--json")
    assert ended.code == 2
    assert [row["name"] for row in ended.results if row["state"] == "wrong"] == ["config.toml"]


def test_an_unknown_store_name_is_exit_5_in_every_command(kojikey: Program) -> None:
    key = kojikey.key()
    for command in (["list"], ["add", "elevenlabs", "--stdin"], ["store", "info"], ["store", "init", "--kek", "env"]):
        ended = kojikey(*command, "--store", "nope", "--json", stdin=key.key)
        assert (ended.code, ended.error["code"]) == (5, "not_found"), ended.said
        assert "nope" not in ended.said  # it may be a key that was put in the wrong place
    assert not kojikey.home.exists()


@pytest.mark.parametrize("words", [["add", "elevenlabs", "--stdin", "--no-test", "-q"], ["store", "init", "-q"]])
def test_a_kek_file_that_was_configured_beside_the_store_is_warned_of(kojikey: Program, words: list[str]) -> None:
    configured(kojikey, f'kek = "file:{kojikey.home / "kek"}"\n')
    ended = kojikey(*words, stdin=kojikey.key().key, KOJIKEY_KEK=None)
    assert (ended.code, "a copy of the folder has both" in ended.err) == (0, True), ended.said
