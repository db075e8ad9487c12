"""Re-keying from every KEK source to every other: killed at each commit, run again, done."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty import Crash, FaultyStore
from secret_service import UNLOCKED, session
from vault import ACCOUNT, NEW, OLD, PROVIDER, Held, Vault

from kojikey.model.errors import CannotOpen, Conflict, KekMissing
from kojikey.operations import accounts, diagnosing, storing
from kojikey.operations.custody import Custody
from kojikey.operations.results import RekeyResult
from kojikey.sealing import passphrase
from kojikey.sealing.kek import KekInputs, discard
from kojikey.stores.sqlite import SqliteStore

OTHER, REMOVED = "globex", "initech"
LOCAL = ("env", "env:NAME", "file", "passphrase")
COMMITS = 4  # the announcement, two accounts, the end


@pytest.fixture(autouse=True)
def quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch passphrases as little as may be: here it is about where the KEK lives."""
    monkeypatch.setattr(passphrase, "MEMORY_KIB", 32)
    monkeypatch.setattr(passphrase, "ITERATIONS", 1)


@pytest.fixture(scope="module")
def keychain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    yield from session(tmp_path_factory.mktemp("keychain"), UNLOCKED)


def kek_text(byte: int) -> str:
    return base64.urlsafe_b64encode(bytes([byte]) * 32).decode()


@dataclass(frozen=True)
class Side:
    """One of the two KEKs: its source as people name it, and the environment in which it is found."""

    source: str
    environ: dict[str, str]
    away: Callable[[], object]


def side(kind: str, which: str, folder: Path) -> Side:
    """Return the old or the new KEK of a kind; ``away`` takes it away, as far as it is not in the environment."""
    if kind == "env":
        return Side("env", {"KOJIKEY_KEK": kek_text(len(which))}, lambda: None)
    if kind == "env:NAME":
        name = f"{which.upper()}_KEK"
        return Side(f"env:{name}", {name: kek_text(10 + len(which))}, lambda: None)
    if kind == "file":
        path = folder / f"{which}.kek"
        return Side(f"file:{path}", {}, path.unlink)
    if kind == "passphrase":
        path = folder / f"{which}.passphrase"
        path.write_text(f"the {which} passphrase of this store\n")
        path.chmod(0o600)
        return Side("passphrase", {"KOJIKEY_PASSPHRASE_FILE": str(path)}, path.unlink)
    return Side("keychain", {}, lambda: None)


class Move:
    """A store on its way from one KEK to another."""

    def __init__(self, old: str, new: str, folder: Path, keychain: KekInputs | None) -> None:
        self.path = folder / "keys.db"
        self.old, self.new = side(old, "old", folder), side(new, "newer", folder)
        bus = dict(keychain.environ) if keychain else {}
        self.before, self.after = {**bus, **self.old.environ}, {**bus, **self.new.environ}
        header, _ = storing.create(self.store(), source=self.old.source, inputs=KekInputs(self.before, None))
        self.spec = header["kek"]
        self.vault = Vault(self.store, {**self.after, **self.before})
        for account in (ACCOUNT, OTHER, REMOVED):
            self.vault.add(account=account)
        self.vault.rotate(account=OTHER)
        accounts.remove_account(self.vault.custody(), account=REMOVED)
        self.sealed = [stored.document for stored in self.store().scan()]

    def store(self) -> SqliteStore:
        return SqliteStore(str(self.path))

    def rekey(self, store: FaultyStore | None = None) -> RekeyResult:
        """Move to the new KEK. What the new one is made from is asked for apart from the old one."""
        inputs = KekInputs({**self.before, **self.after}, None)
        return storing.rekey(self.vault.custody(store), source=self.new.source, new_inputs=inputs)

    def killed(self, *, at: int, after: bool) -> bool:
        try:
            self.rekey(FaultyStore(self.store(), Crash(), at=at, after=after))
        except Crash:
            return True
        return False

    def opens(self) -> None:
        """Check that every key opens, with one of the two KEKs where both come from the same variable."""
        for account, held in ((ACCOUNT, Held(OLD)), (OTHER, Held(NEW, previous=OLD))):
            assert held in (self.held(account, self.vault.environ), self.held(account, {**self.before, **self.after}))
        assert [stored.document for stored in self.store().scan()] == self.sealed

    def held(self, account: str, environ: dict[str, str]) -> Held | None:
        try:
            return Vault(self.store, environ).held(account)
        except CannotOpen:
            return None

    def check_end(self) -> None:
        """Check that the new KEK alone is needed."""
        self.old.away()
        self.before.clear()
        discard(self.spec, KekInputs(self.vault.environ, None))
        alone = Vault(self.store, self.after)
        header = self.store().open().document
        assert header["next_kek"] is None
        assert header["kek"]["source"] == self.new.source.partition(":")[0]
        assert alone.held(ACCOUNT) == Held(OLD)
        assert alone.held(OTHER) == Held(NEW, previous=OLD)
        assert alone.held(REMOVED) is None
        alone.verify()
        assert alone.actions().count("rekeyed") == alone.actions(OTHER).count("rekeyed") == 1
        assert "rekeyed" not in alone.actions(REMOVED)
        assert [stored.document for stored in self.store().scan()] == self.sealed
        alone.add(account="hooli")  # and a new account is wrapped with it
        assert alone.held("hooli") == Held(OLD)


PAIRS = [(old, new) for old in LOCAL for new in LOCAL if (old, new) != ("env", "env")]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_from_every_local_source_to_every_other(tmp_path: Path, old: str, new: str) -> None:
    move = Move(old, new, tmp_path, None)
    result = move.rekey()
    assert (result.rewrapped, result.already, result.resumed) == (2, 0, False)
    move.check_end()


@pytest.mark.parametrize(("old", "new"), PAIRS)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_killed_at_any_commit_every_key_opens_and_once_more_finishes(
    tmp_path: Path, old: str, new: str, at: int, after: bool
) -> None:
    move = Move(old, new, tmp_path, None)
    assert move.killed(at=at, after=after)
    move.opens()
    if at > 1 or after:
        assert move.store().open().document["next_kek"] is not None or (at, after) == (COMMITS, True)
    if (at, after) != (COMMITS, True):  # then it was done, and only nobody was told
        move.rekey()
    move.check_end()


@pytest.mark.parametrize(
    ("old", "new"), [*((old, "keychain") for old in LOCAL), *(("keychain", new) for new in (*LOCAL, "keychain"))]
)
def test_to_and_from_the_keychain_killed_after_every_commit(
    tmp_path: Path, keychain: KekInputs, old: str, new: str
) -> None:
    move = Move(old, new, tmp_path, keychain)
    for _ in range(COMMITS - 1):
        assert move.killed(at=1, after=True)
        move.opens()
        assert move.store().open().document["next_kek"] is not None
    assert move.killed(at=1, after=True)
    move.check_end()


def test_the_same_kek_once_more_changes_nothing_of_the_accounts(tmp_path: Path) -> None:
    move = Move("env", "env:NAME", tmp_path, None)
    before = list(move.store().accounts())
    result = storing.rekey(move.vault.custody(), source="env", new_inputs=move.vault.inputs())
    assert (result.rewrapped, result.already) == (0, 2)
    assert list(move.store().accounts()) == before
    move.opens()


@pytest.mark.parametrize("new", ["env:NAME", "file", "passphrase"])
def test_another_target_has_to_wait_until_the_first_is_done(tmp_path: Path, new: str) -> None:
    move = Move("env", new, tmp_path, None)
    move.killed(at=2, after=True)
    with pytest.raises(Conflict) as caught:
        storing.rekey(move.vault.custody(), source=f"file:{tmp_path}/third.kek", new_inputs=move.vault.inputs())
    assert str(caught.value.hint) == f"finish it first: kojikey store rekey --kek {move.new.source}"
    notes = [found.mend for found in diagnosing.diagnose(move.vault.custody()) if found.name == "re-keying"]
    assert notes == [f"kojikey store rekey --kek {move.new.source}"]
    move.opens()
    move.rekey()
    move.check_end()


@pytest.mark.parametrize("gone", ["old", "new"])
def test_without_one_of_the_two_keks_nothing_more_is_done(tmp_path: Path, gone: str) -> None:
    move = Move("env", "env:NAME", tmp_path, None)
    move.killed(at=2, after=True)
    before = [*move.store().accounts(), move.store().header()]
    left = KekInputs(dict(move.after if gone == "old" else move.before), None)
    custody = Custody(move.store(), move.store().open().document, left, actor="somebody@somewhere")
    with pytest.raises(KekMissing):
        storing.rekey(custody, source=move.new.source, new_inputs=left)
    assert [*move.store().accounts(), move.store().header()] == before
    move.opens()
    assert os.path.getsize(move.path) > 0
    assert Vault(move.store, {**move.before, **move.after}).key(ACCOUNT, PROVIDER) is not None
