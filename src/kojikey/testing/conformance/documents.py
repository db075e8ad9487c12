"""The promises of every store about creating, single documents, several changes at once, and events.

Must not: name an engine.
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and their names say what holds

from __future__ import annotations

import pytest

from kojikey.model.errors import ChangedMeanwhile, StoreExists, StoreNotFound, StoreUnavailable
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.stores.base import DOCUMENT_LIMIT, Change, Query, Store, Stored
from kojikey.testing.conformance.fixtures import (
    ACCOUNT,
    HEADER_DOCUMENT,
    KEY,
    ODD_NAMES,
    Maker,
    StoreFixtures,
    event,
    everything,
    put,
    sized,
)


class DocumentPromises(StoreFixtures):
    """The promises about documents and events."""

    # creating and opening

    def test_a_created_store_opens_with_its_header(self, store: Store, another: Maker) -> None:
        assert store.open().document == another().open().document == another().header().document == HEADER_DOCUMENT
        assert store.open().ref == HEADER

    def test_no_verb_but_create_creates_a_store(self, another: Maker) -> None:
        store = another()
        for use in (
            store.open,
            store.header,
            lambda: store.read(KEY),
            lambda: store.revisions(KEY.account, KEY.provider),
            lambda: store.read_with_account(KEY.account, KEY.provider),
            lambda: store.read_accounts([KEY.account]),
            lambda: list(store.pages()),
            lambda: store.counts(),
            lambda: store.commit([Change(KEY, {}, None)]),
            lambda: list(store.scan()),
            lambda: list(store.accounts()),
            lambda: list(store.events()),
        ):
            with pytest.raises(StoreNotFound):
                use()
        store.describe()
        with pytest.raises(StoreNotFound):
            another().open()

    def test_creating_twice_leaves_the_first(self, store: Store, another: Maker) -> None:
        put(store, KEY, {"n": 1})
        before = everything(store)
        for late in (store, another()):
            with pytest.raises(StoreExists):
                late.create({"format": 1, "store": "other"})
        assert everything(another()) == before

    def test_a_header_over_the_limit_creates_no_store(self, another: Maker) -> None:
        with pytest.raises(StoreUnavailable):
            another().create(sized(DOCUMENT_LIMIT + 1))
        with pytest.raises(StoreNotFound):
            another().open()

    def test_the_header_is_swapped_like_any_document(self, store: Store, another: Maker) -> None:
        before = store.open()
        (revision,) = store.commit([Change(HEADER, {"kek": "next"}, before.revision)])
        assert another().open() == Stored(HEADER, {"kek": "next"}, revision)
        with pytest.raises(ChangedMeanwhile):
            store.commit([Change(HEADER, {"kek": "late"}, before.revision)])
        assert another().open().document == {"kek": "next"}

    def test_a_store_can_be_closed_twice_and_used_again(self, store: Store) -> None:
        store.close()
        store.close()
        assert store.open().document == HEADER_DOCUMENT

    def test_a_store_describes_itself_before_and_after_it_exists(self, another: Maker) -> None:
        store = another()
        before = store.describe()
        store.create(HEADER_DOCUMENT)
        after = store.describe()
        assert before.engine == after.engine != ""
        assert before.place == after.place == store.place != ""

    # reading and writing

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_a_written_document_is_read_by_every_verb(self, store: Store, another: Maker, ref: Ref) -> None:
        reader = another()
        assert reader.read(ref) is None
        (revision,) = store.commit([Change(ref, {"a": [1, None, {"b": True}]}, None)])
        expected = Stored(ref, {"a": [1, None, {"b": True}]}, revision)
        assert store.read(ref) == reader.read(ref) == another().read(ref) == expected

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_a_deleted_document_is_gone_for_every_verb(self, store: Store, another: Maker, ref: Ref) -> None:
        revision = put(store, ref, {"n": 1})
        assert store.commit([Change(ref, None, revision)]) == ("",)
        assert store.read(ref) is another().read(ref) is None
        assert list(store.accounts()) == list(store.scan()) == []

    @pytest.mark.parametrize("ref", [HEADER, ACCOUNT, KEY], ids=str)
    def test_a_kept_document_must_have_its_revision_and_stays_unchanged(self, store: Store, ref: Ref) -> None:
        revision = store.header().revision if ref == HEADER else put(store, ref, {"n": 1})
        before, other = store.read(ref), key_ref("acme", "other")
        assert before is not None
        made = store.commit([Change(ref, before.document, revision, keeps=True), Change(other, {"n": 2}, None)])
        assert made[0] == revision
        assert store.read(ref) == before
        later = put(store, ref, {"n": 3})
        with pytest.raises(ChangedMeanwhile) as lost:
            store.commit([Change(other, {"n": 4}, made[1]), Change(ref, before.document, revision, keeps=True)])
        assert lost.value.ref == ref
        assert [found.document for found in store.scan(Query(account="acme")) if found.ref == other] == [{"n": 2}]
        assert store.read(ref) == Stored(ref, {"n": 3}, later)

    def test_a_document_is_not_shared_with_its_writer_or_reader(self, store: Store) -> None:
        document: Document = {"versions": [1]}
        put(store, KEY, document)
        document["versions"].append(2)
        read = store.read(KEY)
        assert read is not None
        read.document["versions"].append(3)
        again = store.read(KEY)
        assert again is not None
        assert again.document == {"versions": [1]}

    @pytest.mark.parametrize(
        "text",
        [
            "鍵 – clé – ключ",
            "\U0001f511\u200d\u0301",
            "quote ' \" ` \\ ; --",
            "line\r\n\ttab\u2028",
            "nul \0 esc \x1b",
            "\ud800",
        ],
        ids=["languages", "beyond the BMP", "quotes", "line ends", "controls", "lone surrogate"],
    )
    def test_any_text_comes_back_as_it_was(self, store: Store, another: Maker, text: str) -> None:
        put(store, KEY, {"label": text, text: 1}, events=(event("acme", 1, label=text),))
        read = another().read(KEY)
        assert read is not None
        assert read.document == {"label": text, text: 1}
        assert [found["label"] for found in another().events("acme")] == [text]

    def test_an_account_and_its_keys_are_apart(self, store: Store) -> None:
        put(store, account_ref("acme"), {"is": "account"})
        put(store, key_ref("acme", "acme"), {"is": "key"})
        put(store, key_ref("acme", "x"), {"is": "x"})
        assert [found.document["is"] for found in store.accounts()] == ["account"]
        assert [found.document["is"] for found in store.scan()] == ["key", "x"]

    def test_unusual_names_do_not_collide(self, store: Store) -> None:
        providers = ("p", "a" * 63, "a" * 64, *ODD_NAMES[:6])
        refs = sorted(key_ref(a, p) for a in ODD_NAMES for p in providers)
        for start in range(0, len(refs), self.batch):
            store.commit([Change(ref, {"at": str(ref)}, None) for ref in refs[start : start + self.batch]])
        store.commit([Change(account_ref(name), {"at": name}, None) for name in ODD_NAMES])
        assert sorted((found.ref, found.document["at"]) for found in store.scan()) == [(ref, str(ref)) for ref in refs]
        store.commit([], [event(name, 1) for name in ODD_NAMES])
        listed = [found.ref.account for found in store.accounts()]
        assert (sorted(listed) if store.partitioned else listed) == sorted(ODD_NAMES)
        found_refs = [found.ref for found in store.scan()]
        assert found_refs == self.in_order(store, found_refs)
        for name in ODD_NAMES:
            assert {found.ref.account for found in store.scan(Query(account=name))} == {name}
            assert {found.ref.provider for found in store.scan(Query(account=name))} == set(providers)
            assert [found["account"] for found in store.events(name)] == [name]

    @pytest.mark.parametrize("ref", [HEADER, ACCOUNT, KEY], ids=str)
    def test_a_document_may_have_the_limit_and_not_a_byte_more(self, store: Store, ref: Ref) -> None:
        put(store, ref, sized(DOCUMENT_LIMIT))
        before = everything(store)
        with pytest.raises(StoreUnavailable):
            put(store, ref, sized(DOCUMENT_LIMIT + 1))
        assert everything(store) == before
        read = store.read(ref)
        assert read is not None
        assert read.document == sized(DOCUMENT_LIMIT)

    def test_the_limit_counts_bytes_as_they_are_stored(self, store: Store) -> None:
        label = "é" * (DOCUMENT_LIMIT // 2)  # six bytes each, as JSON in ASCII
        with pytest.raises(StoreUnavailable):
            put(store, KEY, {"label": label})
        assert store.read(KEY) is None

    def test_an_event_may_have_the_limit_and_not_a_byte_more(self, store: Store) -> None:
        store.commit([], [sized(DOCUMENT_LIMIT, **event("acme", 1))])
        with pytest.raises(StoreUnavailable):
            put(store, KEY, {}, events=(sized(DOCUMENT_LIMIT + 1, **event("acme", 2)),))
        assert store.read(KEY) is None
        assert [found["seq"] for found in store.events()] == [1]

    def test_a_key_and_its_account_are_read_together_as_one_by_one(self, store: Store, another: Maker) -> None:
        assert another().read_with_account(KEY.account, KEY.provider) == (None, None)
        for ref in (KEY, ACCOUNT, key_ref(KEY.account, "other"), account_ref("acmf")):
            put(store, ref, {"at": str(ref)})
            expected = store.read(KEY), store.read(ACCOUNT)
            assert another().read_with_account(KEY.account, KEY.provider) == expected
        found = store.read(KEY)
        assert found is not None
        store.commit([Change(KEY, None, found.revision)])
        assert another().read_with_account(KEY.account, KEY.provider) == (None, store.read(ACCOUNT))

    def test_many_accounts_are_read_as_one_by_one(self, store: Store, another: Maker) -> None:
        assert another().read_accounts([]) == another().read_accounts(["acme", "nobody"]) == {}
        refs = [account_ref(f"account-{number}") for number in range(200)]
        for ref in refs[::2]:
            put(store, ref, {"of": ref.account})
        put(store, key_ref("account-1", "other"), {"of": "a key"})
        expected = {ref.account: store.read(ref) for ref in refs[::2]}
        assert another().read_accounts([ref.account for ref in refs]) == expected
        assert another().read_accounts(["account-0", "account-0"]) == {"account-0": store.read(refs[0])}

    # compare and swap

    def test_the_revisions_of_a_key_and_its_account_follow_every_change(self, store: Store, another: Maker) -> None:
        assert another().revisions(KEY.account, KEY.provider) == (None, None)
        (key,) = store.commit([Change(KEY, {"n": 1}, None)])
        assert another().revisions(KEY.account, KEY.provider) == (key, None)
        (owner,) = store.commit([Change(ACCOUNT, {"account": ACCOUNT.account}, None)])
        assert another().revisions(KEY.account, KEY.provider) == (key, owner)
        store.commit([Change(KEY, None, key)])
        (again,) = store.commit([Change(KEY, {"n": 1}, None)])
        assert again != key
        assert another().revisions(KEY.account, KEY.provider) == (again, owner)

    def test_every_write_has_a_revision_of_its_own(self, store: Store) -> None:
        seen = {put(store, KEY, {"same": True}) for _ in range(5)}
        seen |= {put(store, key_ref("acme", "other"), {"same": True}), put(store, ACCOUNT, {"same": True})}
        assert len(seen) == 7

    def test_a_document_that_was_deleted_and_made_again_is_not_the_old_one(self, store: Store) -> None:
        first = put(store, KEY, {"n": 1})
        store.commit([Change(KEY, None, first)])
        second = put(store, KEY, {"n": 1})
        assert first != second
        for document in ({"n": 2}, None):
            with pytest.raises(ChangedMeanwhile):
                store.commit([Change(KEY, document, first)])
        assert store.read(KEY) == Stored(KEY, {"n": 1}, second)

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    @pytest.mark.parametrize("document", [{"n": 3}, None], ids=["put", "delete"])
    def test_a_stale_revision_changes_nothing(self, store: Store, ref: Ref, document: Document | None) -> None:
        stale = put(store, ref, {"n": 1})
        put(store, ref, {"n": 2})
        before = everything(store)
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit([Change(ref, document, stale)])
        assert raised.value.ref == ref
        assert everything(store) == before

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_an_existing_document_is_not_created_again(self, store: Store, ref: Ref) -> None:
        put(store, ref, {"n": 1})
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit([Change(ref, {"n": 2}, None)])
        assert raised.value.ref == ref
        assert [found.document for found in (*store.accounts(), *store.scan())] == [{"n": 1}]

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    @pytest.mark.parametrize("revision", ["0" * 16, None], ids=["at a revision", "at none"])
    def test_a_missing_document_is_neither_changed_nor_deleted(
        self, store: Store, ref: Ref, revision: str | None
    ) -> None:
        for document in (None, {"n": 1}) if revision else (None,):
            with pytest.raises(ChangedMeanwhile):
                store.commit([Change(ref, document, revision)])
        assert store.read(ref) is None

    # several changes at once

    def test_changes_and_events_are_made_together(self, store: Store, another: Maker) -> None:
        other = put(store, key_ref("acme", "gone"), {"n": 0})
        account, key, gone = store.commit(
            [
                Change(ACCOUNT, {"head": 2}, None),
                Change(KEY, {"n": 1}, None),
                Change(key_ref("acme", "gone"), None, other),
            ],
            [event("acme", 1), event("acme", 2)],
        )
        assert gone == ""
        assert everything(another())[1:] == (
            [Stored(ACCOUNT, {"head": 2}, account)],
            [Stored(KEY, {"n": 1}, key)],
            [event("acme", 1), event("acme", 2)],
        )

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_one_conflict_undoes_all(self, store: Store, another: Maker, place: int) -> None:
        refs = [ACCOUNT, KEY, key_ref("acme", "google_gemini")]
        changes = [Change(ref, {"n": 2}, put(store, ref, {"n": 1})) for ref in refs]
        store.commit([], [event("acme", 1)])
        changes[place] = changes[place]._replace(if_revision="0" * 16)
        before = everything(store)
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit(changes, [event("acme", 2)])
        assert raised.value.ref == refs[place]
        assert everything(store) == everything(another()) == before

    def test_an_event_whose_number_is_taken_undoes_all(self, store: Store, another: Maker) -> None:
        revision = put(store, KEY, {"n": 1}, events=(event("acme", 1), event("acme", 2)))
        before = everything(store)
        for taken in ([event("acme", 2)], [event("acme", 3), event("acme", 2)], [event("acme", 3), event("acme", 3)]):
            with pytest.raises(ChangedMeanwhile) as raised:
                store.commit([Change(KEY, {"n": 2}, revision), Change(ACCOUNT, {}, None)], taken)
            assert raised.value.ref == ACCOUNT
        assert everything(store) == everything(another()) == before

    def test_a_commit_after_a_conflict_succeeds(self, store: Store) -> None:
        revision = put(store, KEY, {"n": 1})
        with pytest.raises(ChangedMeanwhile):
            store.commit([Change(KEY, {"n": 2}, "0" * 16)])
        store.commit([Change(KEY, {"n": 2}, revision)], [event("acme", 1)])
        assert [found.document for found in store.scan()] == [{"n": 2}]

    # events

    def test_events_come_in_order_of_account_and_number(self, store: Store) -> None:
        for account in ("b", "a", "a-b"):
            for start in range(1, self.page, self.batch):
                numbers = range(min(start + self.batch, self.page) - 1, start - 1, -1)
                store.commit([], [event(account, seq, note=f"{account} {seq}") for seq in numbers])
        numbers = range(1, self.page)
        assert [found["note"] for found in store.events("a")] == [f"a {seq}" for seq in numbers]
        names = list(dict.fromkeys(found["account"] for found in store.events()))
        assert (sorted(names) if store.partitioned else names) == ["a", "a-b", "b"]
        assert [found["note"] for found in store.events()] == [f"{a} {s}" for a in names for s in numbers]
        assert list(store.events("nobody")) == []

    def test_the_document_of_an_account_can_be_deleted_alone(self, store: Store) -> None:
        revision = put(store, ACCOUNT, {"n": 1}, events=(event("acme", 1),))
        put(store, KEY, {"n": 2})
        store.commit([Change(ACCOUNT, None, revision)])
        assert [found.document for found in store.scan()] == [{"n": 2}]
        assert [found["seq"] for found in store.events()] == [1]

    def test_events_outlive_the_keys_they_are_about(self, store: Store) -> None:
        revision = put(store, KEY, {"n": 1}, events=(event("acme", 1, hmac="00ff"),))
        store.commit([Change(KEY, None, revision)], [event("acme", 2, hmac="ff00")])
        assert list(store.events()) == [event("acme", 1, hmac="00ff"), event("acme", 2, hmac="ff00")]
