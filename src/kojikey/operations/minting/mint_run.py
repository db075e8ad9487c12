"""Carries out the steps of :mod:`.mint_protocol` for one key; each is safe to repeat after a crash.

Owns: what each step does in the store and at the provider. Must not: change the key in use in another way than by
promoting the new one (:mod:`kojikey.operations.rotating` does that), or delete a version in use at the provider.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from msgspec import structs

from kojikey.model.errors import CannotOpen, ChangedMeanwhile, Effect, KojikeyError, StoreUnavailable
from kojikey.model.key import Key, Stage
from kojikey.model.management_errors import (
    ManagementRefused,
    ManagementUnavailable,
    NoSuchParent,
    Refusal,
    WiderRefused,
)
from kojikey.model.minting import MintIntent, RemoteId
from kojikey.model.next_step import Hint, NextCommand, finish_or_discard
from kojikey.model.timestamps import now
from kojikey.operations import rotating
from kojikey.operations.key_document import KeyDocument
from kojikey.operations.key_records import sealed_version
from kojikey.operations.ledger import EventDraft, event_draft
from kojikey.operations.minting.lost_keys import orphans_of, remembered
from kojikey.operations.minting.mint_planning import (
    Choice,
    ChooseParent,
    KeyPlan,
    Template,
    find_template,
    name_for,
    new_token,
    plan_for,
)
from kojikey.operations.minting.mint_protocol import Goal, Known, Outcome, Progress, Saved, Step, after, next_step
from kojikey.operations.minting.provider_ids import (
    checked_intent,
    proved_id,
    proved_intent,
    remote_id_of,
    remote_key,
    unproved_id,
)
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe
from kojikey.operations.results import ChangeResult, ProviderReport
from kojikey.operations.sealed_versions import opened
from kojikey.providers.management.base import Created, KeyManagement, RemoteKey
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Stored


@dataclass(frozen=True, slots=True)
class Minter:
    """The management API with which a key is created, the probe that tests it, and the questions to a person.

    ``probe`` waits until the provider knows a new key; None promotes the key untested. ``allow_wider`` is called with
    the reason why the new key would be allowed more than the old one, and decides. ``tell`` is called with notes, for
    example about settings that cannot be copied. ``page`` is the web page with the provider's keys. ``admin_account``
    is the account whose admin key was named, None if none was.
    """

    keys: KeyManagement
    probe: Probe | None
    approve: Approve
    allow_wider: Callable[[str], bool]
    choose_parent: ChooseParent
    tell: Callable[[str], None]
    page: str
    admin_account: str | None = None


class MintRun(KeyDocument):
    """One run of the protocol over one key."""

    def __init__(self, open_store: OpenStore, minter: Minter | None, stored: Stored, choice: Choice) -> None:
        super().__init__(open_store, stored)
        self._optional_minter, self._choice = minter, choice
        self._plan: KeyPlan | None = None
        self._created: Created | None = None
        self._orphans: tuple[RemoteKey, ...] = ()
        self._is_refused = False
        self._error: KojikeyError | None = None
        self._result: ChangeResult | None = None

    @property
    def _minter(self) -> Minter:
        if self._optional_minter is None:
            raise RuntimeError("a run without a management API only forgets")
        return self._optional_minter

    async def to_end(self, progress: Progress) -> ChangeResult:
        """Carry out all steps from a state; return the result, or raise the first error."""
        steps: dict[Step, Callable[[], Awaitable[Outcome]]] = {
            Step.INTEND: self._intend, Step.CREATE: self._create, Step.STAGE: self._stage, Step.TRY: self._try,
            Step.SEARCH: self._search, Step.DELETE: self._delete, Step.FORGET: self._forget,
        }  # fmt: skip
        while (step := next_step(progress)) is not Step.END:
            progress = after(progress, step, await self._outcome(steps[step]))
        if self._error is not None:
            if progress.is_overtaken and progress.known is Known.NEW and self._created:
                self._error.effect = _unsaved(self._created.key)  # it was not deleted either
            self._error.hint = self._error.hint or self._hint(progress)
            if isinstance(self._error, ManagementRefused | ManagementUnavailable):
                self._error.effect = self._error.effect or _not_changed(progress)
            raise self._error
        if self._result is None:
            raise RuntimeError("the protocol ended without a result")
        return self._result

    async def _outcome(self, step: Callable[[], Awaitable[Outcome]]) -> Outcome:
        try:
            return await step()
        except ManagementUnavailable as error:
            self._error = self._error or error
            return Outcome.LOST if error.is_uncertain else Outcome.REFUSED
        except ManagementRefused as error:
            self._error = self._error or error
            return Outcome.REFUSED
        except ChangedMeanwhile as error:
            self._error = self._error or error
            return Outcome.OVERTAKEN

    def _hint(self, progress: Progress) -> str | None:
        if progress.saved is Saved.NOTHING:
            return None
        return finish_or_discard(self.key.provider)

    # --- the steps ---

    async def _intend(self) -> Outcome:
        plan = await self._planned()
        token, ability = new_token(), self._minter.keys.ability
        name = name_for(self.key.account, self.key.next_version, token, longest=ability.longest_name)
        wanted = replace(plan.wanted, name=name, token=token)
        self._plan = plan._replace(wanted=wanted)
        intent = MintIntent(
            name, token, now(), wanted.parent, wanted.owner, self._choice.like, self._choice.parent,
            self._minter.admin_account, is_wider_allowed=bool(plan.wider), proof="",
        )  # fmt: skip
        before = self.key.minting

        def with_intent(key: Key, sealer: Sealer) -> tuple[Key, tuple[()]]:
            after = structs.replace(key, minting=proved_intent(sealer, key.provider, intent))
            return remembered(after, before) if before and ability.lists and not self._orphans else after, ()

        self.save(with_intent)
        self._orphans = ()
        return Outcome.DONE

    async def _planned(self) -> KeyPlan:
        minter, key = self._minter, self.key
        secret = opened(self.open_store.sealer(key.account), key.provider, key.current)
        known = remote_id_of(self.open_store, key, key.current)
        template = await find_template(minter.keys, secret, known, self._choice, minter.choose_parent)
        plan = plan_for(type(minter.keys), template.like, parent=template.parent, now=now())
        if plan.not_copied:
            minter.tell("the new key does not take over: " + ", ".join(plan.not_copied))
        was_allowed = key.minting is not None and key.minting.is_wider_allowed
        if plan.wider and not was_allowed and not minter.allow_wider(plan.wider):
            raise WiderRefused(plan.wider)
        self._learn(template, known)
        return plan

    def _learn(self, template: Template, known: RemoteId | None) -> None:
        """Save the id of the key in use, if it was not known."""
        current, number = template.current, self.key.current.number
        if current is None or known is not None:
            return
        found = unproved_id(current)

        def with_id(key: Key, sealer: Sealer) -> tuple[Key, tuple[()]]:
            version = structs.replace(key.current, at_provider=proved_id(sealer, key.provider, number, found))
            return key.with_version(version), ()

        self.save(with_id)

    async def _create(self) -> Outcome:
        if self._plan is None:
            raise RuntimeError("a key is created after it was planned")
        try:
            self._created = await self._minter.keys.create(self._plan.wanted)
        except ManagementRefused as refused:
            self._is_refused = True
            if refused.refusal is Refusal.NOT_THERE:
                self._error = NoSuchParent(self._minter.keys.ability.parent or "parent", "the provider")
            raise
        except ManagementUnavailable as error:
            self._is_refused = not error.is_uncertain
            if error.is_uncertain and not self._minter.keys.ability.lists:
                error.effect = self._ask_to_delete(self._plan.wanted.name)
            raise
        return Outcome.DONE

    async def _stage(self) -> Outcome:
        created, plan = self._created, self._plan
        if created is None or plan is None:
            raise RuntimeError("a key is staged after it was created")
        remote = replace(created.key, parent=created.key.parent or plan.wanted.parent)
        new_id = unproved_id(replace(remote, name=plan.wanted.name), is_minted=True)

        def with_staged(key: Key, sealer: Sealer) -> tuple[Key, tuple[EventDraft, ...]]:
            version = sealed_version(
                sealer, created.secret, provider=key.provider, number=key.next_version, stage=Stage.STAGED,
                base_url=key.current.base_url, expires_at=remote.expires_at or plan.wanted.expires_at,
            )  # fmt: skip
            version = structs.replace(version, at_provider=proved_id(sealer, key.provider, version.number, new_id))
            after = structs.replace(key, minting=None).with_version(version)
            return after, (event_draft("minted", key.provider, version),)

        try:
            self.save(with_staged)
        except (StoreUnavailable, CannotOpen) as error:
            self._name_orphan(error, remote)
            raise
        return Outcome.DONE

    def _name_orphan(self, error: KojikeyError, remote: RemoteKey) -> None:
        """Make an error name the key that was created and cannot be saved: its value is lost."""
        error.effect = _unsaved(remote)
        resume = NextCommand("rotate", (self.key.provider, "--resume"))
        error.hint = Hint("once the store answers: ", resume, " deletes it and creates another")

    async def _try(self) -> Outcome:
        key = self.key
        result = await rotating.resume(
            self.open_store, account=key.account, provider=key.provider, test=self._minter.probe,
            approve=self._minter.approve,
        )  # fmt: skip
        self._result = structs.replace(result, at_provider=self._report(result))
        return Outcome.DONE

    def _report(self, result: ChangeResult) -> ProviderReport:
        copied, not_copied = (self._plan.copied, self._plan.not_copied) if self._plan else ((), ())
        return ProviderReport.of(remote_id_in(result), copied=copied, not_copied=not_copied, key=result.key)

    async def _search(self) -> Outcome:
        intent = checked_intent(self.open_store, self.key, self._intent())
        keys = self._minter.keys
        if not keys.ability.lists:
            self._minter.tell(self._ask_to_delete(intent.name))
            return Outcome.DONE
        self._orphans = await orphans_of(keys, self.open_store, self.key, intent)
        return Outcome.FOUND if self._orphans else Outcome.DONE

    def _ask_to_delete(self, name: str) -> str:
        """Return a sentence that asks a person to delete a key which may exist, and which no request lists."""
        return f"the provider lists no keys, so look for one named {name} at {self._minter.page} and delete it there"

    def _intent(self) -> MintIntent:
        if self.key.minting is None:
            raise RuntimeError("there is no intent")
        return self.key.minting

    async def _delete(self) -> Outcome:
        keys = self._minter.keys
        if self._orphans:
            for orphan in self._orphans:
                await keys.delete(orphan)
        elif self._created is not None:
            await keys.delete(self._created.key, self._created.secret)
        else:
            await self._delete_staged(keys)
        return Outcome.DONE

    async def _delete_staged(self, keys: KeyManagement) -> None:
        staged = self.key.version(Stage.STAGED)
        remote_id = remote_id_of(self.open_store, self.key, staged) if staged else None
        if staged is None or remote_id is None:
            raise RuntimeError("a minted key is staged with its id")
        secret = opened(self.open_store.sealer(self.key.account), self.key.provider, staged)
        await keys.delete(remote_key(remote_id), secret)

    async def _forget(self) -> Outcome:
        key = self.key
        if key.minting is None:
            staged = key.version(Stage.STAGED)
            result = rotating.abort(
                self.open_store,
                account=key.account,
                provider=key.provider,
                is_revoked=self._optional_minter is not None,
            )
            remote_id = staged.at_provider if staged else None
            self._result = structs.replace(result, at_provider=ProviderReport.of(remote_id, key=result.key))
            return Outcome.DONE
        intent = self._intent()
        can_list = self._optional_minter is not None and self._optional_minter.keys.ability.lists
        may_exist = can_list and not self._orphans and not self._is_refused

        def without_intent(key: Key, _: Sealer) -> tuple[Key, tuple[()]]:
            after = structs.replace(key, minting=None)
            return remembered(after, intent) if may_exist else after, ()

        self.save(without_intent)
        self._result = ChangeResult(
            key.account, key.provider, "aborted", "", None, key=self.key,
            at_provider=ProviderReport(name=intent.name, parent=intent.parent or None),
        )  # fmt: skip
        return Outcome.DONE


def _not_changed(progress: Progress) -> str:
    """Return the effect of an error at the provider: the things that the run did not change."""
    if progress.saved is Saved.NOTHING:
        return Effect.NOTHING_CREATED
    if progress.goal is Goal.ABORT:
        return Effect.STORE_UNCHANGED
    return "the key in use is unchanged, and a new one may exist at the provider"


def _unsaved(remote: RemoteKey) -> str:
    which = f"its id is {remote.key_id}" if remote.key_id else f"its name is {remote.name}"
    return f"the key that was created at the provider is not saved ({which})"


def remote_id_in(result: ChangeResult) -> RemoteId | None:
    """Return the id at the provider of the version that was changed."""
    versions = result.key.versions if result.key else ()
    return next((version.at_provider for version in versions if version.number == result.version), None)
