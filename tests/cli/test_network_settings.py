"""Proxy settings of the environment that cannot be used: they matter only to a request that would use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.program import Program

PROVIDERS_OWN = "https://api.elevenlabs.io"
UNUSABLE = ("socks://127.0.0.1:1080", "http://user:pass-word@127.0.0.1:99999", "nonsense://x")


@pytest.mark.parametrize("entry", ["fe80::/10", "[::1]"])
def test_an_entry_of_no_proxy_that_cannot_be_used_is_reported_once_and_stops_nothing(
    kojikey: Program, entry: str
) -> None:
    key = kojikey.key("elevenlabs")
    new = kojikey.key("elevenlabs", "ok_2")
    environ = {"NO_PROXY": entry}
    added = kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, "--json", stdin=key.key, **environ)
    tested = kojikey("test", "--json", **environ)
    rotated = kojikey("rotate", "elevenlabs", "--stdin", "--json", stdin=new.key, **environ)
    for ended in (added, tested, rotated):
        assert ended.code == 0
        assert ended.said.count(f"NO_PROXY: the entry {entry} cannot be used and is ignored") == 1
        assert ended.said.count("warning") == 1


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_does_not_stop_direct_requests(kojikey: Program, variable: str, value: str) -> None:
    kojikey.added("elevenlabs")
    assert kojikey("test", **{variable: value}).code == 0
    assert kojikey("test", "--all-accounts", **{variable: value}).code == 0


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_named_before_a_key_is_asked_for_or_saved(
    kojikey: Program, variable: str, value: str
) -> None:
    key = kojikey.key("elevenlabs").key
    kojikey("add", "elevenlabs", "--stdin", "--no-test", stdin=key)
    before = kojikey.contents()
    for arguments in (
        ("add", "elevenlabs", "-a", "other", "--stdin"),
        ("rotate", "elevenlabs", "--stdin"),
        ("test", "elevenlabs"),
        ("test", "--all-accounts"),
        ("test", "elevenlabs", "--stdin"),
    ):
        ended = kojikey(*arguments, "--json", stdin=kojikey.key("elevenlabs", "ok_2").key, **{variable: value})
        assert ended.code == 2, arguments
        assert variable in ended.error["message"]
        assert "pass-word" not in ended.out + ended.said
        assert "kojikey doctor" in ended.error["hint"]
    assert kojikey.contents() == before


def test_a_proxy_that_no_request_uses_is_a_note_and_not_wrong(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey("doctor", "--json", ALL_PROXY="socks://127.0.0.1:1080", HTTPS_PROXY="http://proxy.example:3128")
    network = [row for row in ended.results if row["name"] == "network"]
    assert ended.code == 0
    assert [row["state"] for row in network] == ["normal", "note"]
    assert "ALL_PROXY names an unsupported kind of SOCKS proxy" in network[1]["detail"]


def test_doctor_lists_each_setting_that_cannot_be_used(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey(
        "doctor", "--json", HTTPS_PROXY="http://u:pass-word@h:99999", ALL_PROXY="socks://h", NO_PROXY="fe80::/10,[::1]",
        SSL_CERT_FILE=str(tmp_path / "nothing"),
    )  # fmt: skip
    details = [row["detail"] for row in ended.results if row["name"] == "network"]
    assert ended.code == 2
    for word in ("HTTPS_PROXY", "ALL_PROXY", "fe80::/10", "[::1]", "SSL_CERT_FILE"):
        assert any(detail.startswith(word) or word in detail for detail in details[1:]), word
    assert "pass-word" not in ended.out + ended.said
