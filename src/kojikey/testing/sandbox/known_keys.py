"""The keys that the sandbox knows (the made-up ones and those that a test added), with the scenario of each.

Must not: answer a request.
"""

from __future__ import annotations

from kojikey.model.errors import UsageError
from kojikey.model.verdict import OUTCOME_OF, Reason
from kojikey.testing.sandbox.sample_keys import carried_reason, made_up_key
from kojikey.testing.sandbox.scenarios import PROVIDERS, Caller, Scenario, script_of


class KnownKeys:
    """The keys that the played providers know. Safe between threads, because each access is atomic."""

    def __init__(self) -> None:
        self._callers: dict[tuple[str, str], Caller] = {}
        self._names: dict[str, str] = {}
        self.restore()

    def restore(self) -> None:
        """Reset the scenarios of the made-up keys."""
        for provider in PROVIDERS:
            for scenario in script_of(provider).scenarios.values():
                self.add(provider, made_up_key(provider, scenario.name, scenario.shape), scenario.name)

    @property
    def known(self) -> tuple[str, ...]:
        """Every known key, of all providers."""
        return tuple(self._names)

    def name(self, key: str | None) -> str | None:
        """Return the first name under which the key was added, None for an unknown key."""
        return self._names.get(key) if key else None

    def caller(self, provider: str, key: str | None, *, accept_any: bool) -> Caller:
        """Return the caller with a key; with ``accept_any`` an unknown key has the reason in its text."""
        known = self._callers.get((provider, key)) if key else None
        if known is None and key and accept_any:
            scenario = script_of(provider).scenarios.get(carried_reason(provider, key))
            return Caller(key, scenario, scenario.missing if scenario else ())
        return known or Caller(key, None)

    def add(self, provider: str, key: str, name: str, *, missing: tuple[str, ...] = ()) -> Scenario:
        """Set the scenario of a key.

        Raises:
            UsageError: no such provider, or no scenario of that name at it.
        """
        scenario = scenario_of(provider, name)
        self._callers[provider, key] = Caller(key, scenario, missing or scenario.missing)
        self._names.setdefault(key, name)
        return scenario

    def change(self, key: str, name: str) -> None:
        """Set the scenario of a known key.

        Raises:
            UsageError: the key is unknown, or its provider has no scenario of that name.
        """
        providers = [provider for provider, known in tuple(self._callers) if known == key]
        if not providers:
            raise UsageError("the sandbox does not know this key")
        for provider in providers:
            self.add(provider, key, name)


def scenario_of(provider: str, name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        UsageError: there is none, or the provider is not played.
    """
    known = script_of(provider).scenarios if provider in PROVIDERS else {}
    if name not in known:
        raise UsageError(f"the sandbox has no such {provider} key", hint="known: " + ", ".join(known or PROVIDERS))
    return known[name]


def outcome_of(scenario: Scenario) -> str:
    """Return the outcome that the scenario's reason belongs to."""
    return OUTCOME_OF[Reason(scenario.reason)].value
