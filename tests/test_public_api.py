"""``import kojikey``: cheap to import, typed, and with the same answers as ``kojikey run``."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints
from unittest import mock

import pytest

import kojikey as package
from kojikey.model import errors
from support.program import Program

EXPENSIVE = {
    "asyncio", "cryptography", "dataclasses", "httpcore2", "inspect", "json", "keyring", "logging", "pathlib",
    "platformdirs", "rich", "sqlite3", "subprocess", "tomllib", "typer", "typing",
}  # fmt: skip


def imported_by(statement: str, **environ: str) -> set[str]:
    """Return the modules that a statement imports in a new process, beyond those that Python starts with."""
    script = f"import sys; before = set(sys.modules)\n{statement}\nprint(sorted(set(sys.modules) - before))"
    finished = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environ}, capture_output=True, text=True, check=True
    )
    return set(ast.literal_eval(finished.stdout.splitlines()[-1]))


def resolved(kojikey: Program, *arguments: str, **keywords: str) -> package.Credential:
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        return package.resolve(*arguments, **keywords)


def test_importing_it_costs_nothing() -> None:
    modules = imported_by("import kojikey")
    assert modules == {"kojikey", "kojikey.model", "kojikey.model.version"}


def test_its_names_are_there_and_no_others() -> None:
    assert sorted(package.__all__) == ["Client", "Credential", "Secret", "__version__", "judge", "resolve"]
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError):
        getattr(package, "resolve_all")  # noqa: B009 - a name that is not there


def test_resolve_needs_neither_terminal_nor_network(kojikey: Program) -> None:
    kojikey.added()
    modules = imported_by("import kojikey; kojikey.resolve('elevenlabs')", **kojikey.environ)
    assert "kojikey.operations.resolving" in modules
    assert not modules & (EXPENSIVE - {"sqlite3", "cryptography", "json", "typing"})


def test_an_own_key_is_byok(kojikey: Program) -> None:
    key = kojikey.added("google_gemini", "ok", "--model", "gemini-2.5-flash", "--account", "acme")
    found = resolved(kojikey, "google_gemini", account="acme")
    assert (found.provider, found.account, found.source) == ("google_gemini", "acme", "byok")
    assert found.secret is not None
    assert found.secret.reveal() == key.key
    assert (found.base_url, found.models) == (key.base_url, ("gemini-2.5-flash",))


def test_without_an_own_key_it_is_the_built_in_allocation(kojikey: Program) -> None:
    for _ in range(2):  # without a store, then with one that has no key there
        found = resolved(kojikey, "google_gemini")
        assert found == ("google_gemini", "default", "built_in", None, None, ())
        kojikey.add("elevenlabs", "ok")


def test_an_account_whose_keys_are_disabled_has_the_built_in_allocation(kojikey: Program) -> None:
    kojikey.added()
    kojikey("account", "disable", "default")
    assert resolved(kojikey, "elevenlabs").source == "built_in"


def test_account_and_store_default_as_on_the_command_line(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    assert resolved(kojikey, "elevenlabs").source == "built_in"
    (kojikey.home / "config.toml").write_text('account = "acme"\n')
    assert resolved(kojikey, "elevenlabs").account == "acme"
    kojikey.environ["KOJIKEY_ACCOUNT"] = "other"
    assert resolved(kojikey, "elevenlabs").account == "other"
    assert resolved(kojikey, "elevenlabs", account="acme").source == "byok"


def test_a_credential_is_frozen_and_shows_no_key(kojikey: Program) -> None:
    key = kojikey.added()
    found = resolved(kojikey, "elevenlabs")
    for name in ("secret", "source", "anything"):
        with pytest.raises(AttributeError):
            setattr(found, name, None)
    assert key.key[-8:] not in f"{found} {found!r} {found._asdict()}"


@pytest.mark.parametrize(
    ("arguments", "environ", "error"),
    [
        ({"provider": "nonsense"}, {}, errors.UnknownProvider),
        ({"provider": "elevenlabs", "account": "Not A Name"}, {}, errors.BadAccount),
        ({"provider": "elevenlabs", "store": "nowhere"}, {}, errors.NotFound),
        ({"provider": "elevenlabs", "store": "sqlite:///there/is/none.db"}, {}, errors.StoreNotFound),
        ({"provider": "elevenlabs"}, {"KOJIKEY_KEK": ""}, errors.KekMissing),
        ({"provider": "elevenlabs"}, {"KOJIKEY_KEK": "short"}, errors.CannotOpen),
        ({"provider": "elevenlabs"}, {"KOJIKEY_KEK": "A" * 43}, errors.WrongKek),
    ],
    ids=str,
)
def test_what_is_wrong_is_an_error_of_ours(
    kojikey: Program, arguments: dict[str, str], environ: dict[str, str], error: type[Exception]
) -> None:
    kojikey.added()
    kojikey.environ.update(environ)
    with pytest.raises(error):
        resolved(kojikey, **arguments)


def test_a_store_that_cannot_be_read_is_unavailable(kojikey: Program) -> None:
    kojikey.added()
    (kojikey.home / "keys.db").chmod(0o644)
    with pytest.raises(errors.StoreUnavailable):
        resolved(kojikey, "elevenlabs")


def test_every_error_that_it_names_exists() -> None:
    documented = [word.strip(":,") for word in (package.resolve.__doc__ or "").split() if "errors." in word]
    assert len(documented) >= 4
    for name in documented:
        assert issubclass(getattr(errors, name.rpartition(".")[2]), errors.KojikeyError)


def test_resolve_is_typed_and_its_options_go_by_name() -> None:
    hints = get_type_hints(package.resolve, {"Credential": package.Credential})
    assert hints["return"] is package.Credential
    kinds = {name: parameter.kind for name, parameter in inspect.signature(package.resolve).parameters.items()}
    assert kinds["account"] is kinds["store"] is inspect.Parameter.KEYWORD_ONLY
    assert (Path(package.__file__).parent / "py.typed").exists()


def test_resolving_writes_nothing_and_prints_nothing(kojikey: Program, capfd: pytest.CaptureFixture[str]) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    resolved(kojikey, "elevenlabs")
    resolved(kojikey, "google_gemini")
    assert kojikey.snapshot() == before
    assert capfd.readouterr() == ("", "")
