"""A key's document is read as it was written, and any other document is refused."""

from __future__ import annotations

import json

from msgspec.structs import replace

from kojikey.model.key import Key, Stage, Version
from kojikey.model.key import TestRecord as Record
from kojikey.model.key_reading import read_keys
from support.each import each

MOMENT = "2026-11-23T04:47:00Z"
CURRENT = Version(
    2, Stage.CURRENT, "a.b.c.d.e", "wxyz", "0123456789ab", "https://api.example.com", MOMENT,
    MOMENT, None, Record("valid", "ok", MOMENT, MOMENT), None,
)  # fmt: skip
STAGED = replace(CURRENT, number=3, stage=Stage.STAGED, last_test=None, pending={"label": "x", "rotate_after_days": 0})
KEY = Key("acme", "elevenlabs", (CURRENT, STAGED), 4, MOMENT, "ours", ("m",), (), None, None)


def test_a_key_reads_back_as_it_was_written() -> None:
    assert read_keys((json.dumps(KEY.as_document()),)) == [KEY]
    assert KEY.as_document()["tested_at"] == MOMENT


@each(
    "key",
    [
        replace(KEY, versions=(CURRENT, replace(STAGED, stage=Stage.CURRENT))),
        replace(KEY, versions=(CURRENT, replace(STAGED, number=2))),
        replace(KEY, next_version=3),
        replace(KEY, label="\x1b[31m"),
        replace(KEY, account="Not A Name"),
        replace(KEY, versions=(replace(CURRENT, tail="vwxyz"),)),
        replace(KEY, versions=(replace(CURRENT, pending={"more": 1}),)),
        replace(KEY, versions=(replace(CURRENT, pending={"label": "x"}),)),
        replace(KEY, versions=(replace(CURRENT, last_test=Record("fine", "ok", MOMENT, None)),)),
    ],
)
def test_what_kojikey_cannot_have_written_is_refused(key: Key) -> None:
    good = json.dumps(KEY.as_document())
    assert read_keys((good, json.dumps(key.as_document()), good)) == [KEY, None, KEY]
