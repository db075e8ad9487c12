"""One key over many rotations at its provider, by command lines of which most are killed.

Owns: choosing commands and the step at which each is killed, and the checks after each. The choices come from a seed,
so that a history can be repeated. Must not: know how a command line is killed (``killing.py`` does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from kojikey.model.key import Key, Stage
from kojikey.testing.sandbox.management import ManagedKey
from kojikey.testing.sandbox.sample_keys import made_up_key
from support.killing import Ended, Forks
from support.minting import Mint
from support.sample_store import Held, SampleStore

ACCOUNT = "default"
PLAIN = ("--no-input", "--propagation", "0s")
DUE = ("rotate", "--due", "--mint", "--yes", "--allow-wider", "--grace", "0s", *PLAIN)
_DUE_IN = 91  # days
_AT_FIRST = 30  # the assumed number of steps of a command, until one of its kind was not killed
_AGAIN, _HIDDEN = 0.3, 0.1  # the probability that a finishing command is killed too; that a new key is listed late


@dataclass
class Life:
    """A key of one provider, and the command lines that change it."""

    forks: Forks
    mint: Mint
    store: SampleStore
    random: Random
    kills: int = 0
    made_by_hand: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)

    @property
    def provider(self) -> str:
        return self.mint.provider

    def live(self, kills: int) -> None:
        """Rotate, retire and remove until this number of command lines were killed."""
        self.begin()
        while self.kills < kills:
            command = self.random.choice(self.choices())
            self.ended_somehow(command, days=_DUE_IN if command == "due" else 0)
            self.is_not_lost(command)
            self.finish(command)
            if self.key() is None:
                assert self.mint.managed.keys == ()
                self.begin()

    def begin(self) -> None:
        """Add a key that a person created, and replace it by one that kojikey creates."""
        self.made_by_hand += 1
        value = made_up_key(self.provider, f"by hand {self.made_by_hand}")
        by_hand = self.mint.managed.add(value, **self.mint.settings)
        base_url = self.mint.kojikey.sandbox.base_url(self.provider)
        ended = self.mint.kojikey("add", self.provider, "--stdin", "--base-url", base_url, stdin=value)
        assert ended.code == 0, ended.said
        like = ("--like", by_hand.key_id) if self.provider == "google_gemini" else ()
        assert self.mint.rotate("--mint", "--allow-wider", "--propagation", "0s", *like).code == 0
        self.mint.managed.delete(by_hand)  # kojikey does not know the id of Google's
        assert self.mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
        self.is_settled()

    def choices(self) -> list[str]:
        """Return the commands that can change the key now; one that is listed more often is chosen more often."""
        key = self.key()
        assert key is not None
        if key.version(Stage.PREVIOUS) is not None:
            return ["retire", "retire", "due"]
        return ["mint", "mint", "mint", "mint", "due", "due", "due", "remove"]

    def finish(self, command: str) -> None:
        """Finish the work of a killed command, and check that nothing unfinished is left at the provider or here."""
        hidden = self.hide_new_keys() if self.random.random() < _HIDDEN else []
        finishing = self.finishing(command)
        while self.random.random() < _AGAIN and self.ended_somehow(finishing).was_killed:
            self.is_not_lost(finishing)
            finishing = self.finishing(command)
        ended = self.run(finishing)
        key = self.key()
        if ended.code == 4 and key is not None and key.is_mint_unfinished:
            ended = self.run("abort")  # an abort was killed after it deleted the key, which stays refused
        assert ended.code in (0, 5), (self.history[-6:], ended.said)  # 5: nothing was left
        if hidden:
            self.mint.managed.mend()
            assert self.run("due").code == 0
        self.is_settled()

    def finishing(self, command: str) -> str:
        """Return a command that can finish the unfinished work."""
        key = self.key()
        if command == "remove":
            return "remove"
        if key is not None and key.is_mint_unfinished:
            return self.random.choice(["resume", "resume", "abort", "due"])
        if command in ("retire", "due") and key is not None and key.version(Stage.PREVIOUS) is not None:
            return self.random.choice(["retire", "due"])
        return "resume"

    def hide_new_keys(self) -> list[ManagedKey]:
        """Hide the keys that the store does not have from the provider's list, and return them."""
        known = self.values()
        new = [key for key in self.mint.managed.keys if key.value not in known]
        for key in new:
            key.is_hidden = True
        return new

    def ended_somehow(self, command: str, *, days: int = 0) -> Ended:
        """Carry out a command ``days`` later, killed at a random step unless it ends before that."""
        most = self.steps.get(command, _AT_FIRST)
        ended = self.run(command, deadline=self.random.randint(1, max(1, most)), days=days)
        self.kills += ended.was_killed
        return ended

    def run(self, command: str, *, deadline: int = 0, days: int = 0) -> Ended:
        """Carry out a command."""
        ended = self.forks(self.mint.kojikey, *self.words(command), deadline=deadline, days=days)
        self.history.append(f"{command} {ended.code} after {ended.steps} of {self.steps.get(command)}")
        if not ended.was_killed:
            self.steps[command] = max(ended.steps, self.steps.get(command, 0))
        return ended

    def words(self, command: str) -> tuple[str, ...]:
        """Return a command line."""
        match command:
            case "due":
                return DUE
            case "remove":
                return ("remove", self.provider, "--yes", "--revoke", "--no-input")
            case "mint":
                return ("rotate", self.provider, "--mint", "--allow-wider", *PLAIN)
            case "retire":
                return ("rotate", self.provider, "--retire", "--yes", *PLAIN)
            case "resume":
                return ("rotate", self.provider, "--resume", *PLAIN)
            case _:
                return ("rotate", self.provider, f"--{command}", "--no-input")

    def is_not_lost(self, command: str) -> None:
        """Check that the key in use opens and exists at the provider, except while it is being removed."""
        held = self.held()
        if held is not None and command != "remove":
            assert held.current in {key.value for key in self.mint.managed.keys}, self.history[-6:]

    def is_settled(self) -> None:
        """Check that the provider has exactly the keys of the store, and that nothing is unfinished."""
        key = self.key()
        assert {each.value for each in self.mint.managed.keys} == self.values(), self.history[-6:]
        assert key is None or not key.is_mint_unfinished, self.history[-6:]

    def key(self) -> Key | None:
        return self.store.key(ACCOUNT, self.provider)

    def held(self) -> Held | None:
        return self.store.held(ACCOUNT, self.provider)

    def values(self) -> set[str]:
        held = self.held()
        return set(filter(None, held)) if held else set()
