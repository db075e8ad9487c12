"""Minting where the store, the provider or the clock fail in the middle; and two processes that mint at once."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass, field

import pytest

from kojikey.model.errors import StoreUnreachable
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations.minting import minting
from kojikey.operations.minting.mint_planning import Choice, name_for, plan_for
from kojikey.operations.minting.mint_run import Minter
from kojikey.operations.minting.propagation import Clock, until_known, until_refused
from kojikey.operations.probing import Probe, Target
from kojikey.providers.catalog import load_catalog
from kojikey.providers.management.base import RemoteKey, fits
from kojikey.providers.management.client import ManagementClient, Pace
from kojikey.providers.management.xai import XAI
from kojikey.testing import Sandbox
from kojikey.testing.sandbox.sample_keys import made_up_key
from support.each import each
from support.faulty import FaultyStore
from support.minting import set_up
from support.program import COMMAND, Program
from support.sample_store import ACCOUNT, FakeTester, SampleStore, no, verdict

TARGET = Target("xai", "https://api.x.ai")
ACLS = ["api-key:model:*", "api-key:endpoint:*"]


@dataclass
class Time:
    """A clock that moves by what is slept."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(self.sleep, lambda: self.now)


def finding(*reasons: Reason) -> Probe:
    """Return a probe that finds these reasons one after the other, the last one for ever."""
    left = list(reasons)

    async def probe(_: Secret, __: Target) -> Verdict:
        return verdict(left.pop(0) if len(left) > 1 else left[0])

    return probe


def last_of(probe: Probe) -> Reason:
    """Return what a probe finds in the end."""

    async def ask() -> Verdict:
        return await probe(Secret("a key"), TARGET)

    return asyncio.run(ask()).reason


def test_a_new_key_is_tested_again_until_it_is_known() -> None:
    time = Time()
    assert (
        last_of(
            until_known(
                finding(Reason.INVALID_KEY, Reason.INVALID_KEY, Reason.INVALID_KEY, Reason.OK), 300, time.clock()
            )
        )
        is Reason.OK
    )
    assert len(time.slept) == 3


def test_a_new_key_is_not_tested_for_longer_than_the_propagation() -> None:
    time = Time()
    assert last_of(until_known(finding(Reason.INVALID_KEY), 300, time.clock())) is Reason.INVALID_KEY
    assert time.now == 300


def test_a_deleted_key_is_tested_until_it_is_refused() -> None:
    time = Time()
    assert (
        last_of(until_refused(finding(Reason.OK, Reason.UNREACHABLE, Reason.INVALID_KEY), 300, time.clock()))
        is Reason.INVALID_KEY
    )
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    ("created", "expires"),
    [("2031-01-01T00:00:00Z", "2031-04-01T00:00:00Z"), ("2019-01-01T00:00:00Z", "2019-04-01T00:00:00Z")],
)
def test_the_lifetime_is_copied_whatever_the_providers_clock_says(created: str, expires: str) -> None:
    template = RemoteKey("k", created_at=created, expires_at=expires, settings={"acls": ACLS})
    plan = plan_for(XAI, template, parent=None, now="2026-11-27T00:00:00Z")
    assert plan.wanted.expires_at == "2027-02-25T00:00:00Z"
    assert "expiry" in plan.copied


def test_a_lifetime_of_unknown_length_is_not_copied_and_counts_as_wider() -> None:
    template = RemoteKey("k", expires_at="2027-01-01T00:00:00Z", settings={"acls": ACLS})
    plan = plan_for(XAI, template, parent=None, now="2026-11-27T00:00:00Z")
    assert plan.wanted.expires_at is None
    assert "expiry" in plan.not_copied
    assert plan.wider


@pytest.mark.parametrize(
    ("account", "longest", "name"),
    [
        ("acme", 63, "kojikey acme v12 0a1b2c3d"),
        ("anna.example@example.org", 63, "kojikey anna.example v12 0a1b2c3d"),
        ("a" * 128, 63, "kojikey " + "a" * 42 + " v12 0a1b2c3d"),
    ],
)
def test_a_name_has_the_whole_number_and_token_and_the_local_part_of_an_address(
    account: str, longest: int, name: str
) -> None:
    found = name_for(account, 12, "0a1b2c3d", longest=longest)
    assert found == name
    assert len(found) <= longest


@each(
    ("hint", "is_fitting"),
    [("sk-abc...wxyz", True), ("sk-abc…wxyz", True), ("sk-a**wxyz", True), ("••••wxyz", True), ("wxyz", True),
     ("sk-abc", True), ("sk-abd...wxyz", False), ("...", False), ("", False), ("sk-abc0123456789wxyz", False)],
)  # fmt: skip
def test_a_redacted_form_fits_a_key_that_begins_and_ends_like_it(hint: str, is_fitting: bool) -> None:
    assert fits(hint, Secret("sk-abc0123456789wxyz")) is is_fitting


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_after_a_store_failed_between_two_steps_the_next_run_finds_every_key(
    sandbox: Sandbox, at: int, after: bool
) -> None:
    sample_store = SampleStore.in_memory()
    old = made_up_key("xai", "ok")
    sample_store.add(old, provider="xai")
    sandbox.managed("xai").add(old, acls=ACLS)
    faulty = FaultyStore(sample_store.opener(), StoreUnreachable("here", "is away"), at=at, after=after)
    error: StoreUnreachable | None = None
    try:
        carry_out(sandbox, sample_store, faulty, is_resumed=False)
    except StoreUnreachable as raised:
        error = raised
    made = [key for key in sandbox.managed("xai").keys if key.value != old]
    held = sample_store.held(provider="xai")
    assert held is not None
    if error and made and made[0].value not in (held.staged, held.current):
        assert made[0].key_id in str(error)
    key = sample_store.key(provider="xai")
    assert key is not None
    if key.is_mint_unfinished:
        carry_out(sandbox, sample_store, None, is_resumed=True)
    held = sample_store.held(provider="xai")
    assert held is not None
    assert {each.value for each in sandbox.managed("xai").keys} == {old, held.current}
    sample_store.verify()


def carry_out(sandbox: Sandbox, sample_store: SampleStore, store: FaultyStore | None, *, is_resumed: bool) -> None:
    definition, base_url = load_catalog().get("xai_admin"), sandbox.base_url("xai_admin")

    async def work() -> None:
        client = ManagementClient(definition, base_url, Secret(made_up_key("xai_admin", "ok")), pace=Pace(timeout=5))
        async with client:
            minter = Minter(XAI(client), FakeTester(), no, lambda _: False, lambda *_: None, lambda _: None, "its page")
            open_store = sample_store.open_store(store)
            if is_resumed:
                await minting.resume(open_store, minter, account=ACCOUNT, provider="xai")
            else:
                await minting.mint(open_store, minter, account=ACCOUNT, provider="xai", choice=Choice())

    asyncio.run(work())


def test_of_two_processes_that_mint_concurrently_one_wins(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    command = [*COMMAND, "rotate", "xai", "--mint", "--no-input", "--propagation", "0s"]
    processes = [
        subprocess.Popen(command, env=kojikey.with_environ({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(timeout=120)
    assert sorted(process.returncode for process in processes) == [0, 6]
    assert len(mint.names) == 2
    assert kojikey("get", "xai", "--reveal").out in {key.value for key in mint.managed.keys}
    assert kojikey("audit", "--verify").code == 0


def test_an_admin_key_that_is_revoked_in_the_middle_changes_nothing(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    mint.managed.fail("delete", "admin_key", times=None)
    before = kojikey.contents()["list"]
    ended = mint.rotate("--retire", "--yes", "--propagation", "0s", "--json")
    assert ended.code == 3
    assert "kojikey test xai_admin" in ended.error["hint"]
    assert kojikey.contents()["list"] == before
    assert len(mint.names) == 2
