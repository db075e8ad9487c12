"""Each base URL has one spelling, and none sends a key unencrypted or elsewhere."""

from __future__ import annotations

import pytest

from kojikey.model.base_url import check_base_url, is_loopback
from kojikey.model.errors import UsageError
from support.each import each


@each(
    ("text", "checked"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        (" https://API.Example.COM:443/v1/ ", "https://api.example.com/v1"),
        ("HTTPS://api.example.com:8443/a/b", "https://api.example.com:8443/a/b"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80/x/", "http://localhost/x"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.250:1", "http://127.8.9.250:1"),
        ("http://[::1]:9000/p", "http://[::1]:9000/p"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("http://[0:0:0:0:0:0:0:1]:9000", "http://[::1]:9000"),
        ("https://gateway.example.com/a%20b/v;x", "https://gateway.example.com/a%20b/v;x"),
        ("https://10.0.0.7/gemini", "https://10.0.0.7/gemini"),
    ],
)
def test_a_base_url_gets_its_one_spelling(text: str, checked: str) -> None:
    assert check_base_url(text) == checked
    assert check_base_url(checked) == checked


@each(
    "text",
    [
        "", "api.example.com", "//api.example.com", "https://", "https:///x", "ftp://api.example.com",
        "http://api.example.com", "http://192.168.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com",
        "http://127.0.0.256", "http://127.1", "http://2130706433", "http://[::2]", "http://0.0.0.0",
        "https://user:word@api.example.com", "https://word@api.example.com", "http://localhost@evil.example",
        "https://api.example.com?x=1", "https://api.example.com/#x", "https://api.example.com/a b",
        "https://api.example.com\\evil", "https://api.example.com/../x", "https://api.example.com/./x",
        "https://api.example.com//x", "https://api..example.com", "https://api.example.com:0",
        "https://api.example.com:65536", "https://api.example.com:x", "https://-example.com", "https://exämple.com",
        "http://[:1]", "http://[::1", "https://[1]", "https://[::1%25eth0]", "http://[::ffff:127.0.0.1]",
        "http://127.00.00.01", "http://127.0.0.01", "https://010.0.0.1", "https://1.2.3", "https://2130706433",
        "https://0x7f000001", "https://a.0x7f", "https://1.2.3.4.5", "https://256.0.0.1",
        "https://api.example.com/%2e%2e/a", "https://api.example.com/%2E", "https://api.example.com/.%2e/a",
        "https://api.example.com/%252e%252e/a", "https://api.example.com/a%2fb", "https://api.example.com/a%5Cb",
        "https://api.example.com/a%00", "https://api.example.com/a%0d%0ax", "https://api.example.com/%7f",
        "https://api.example.com/%", "https://api.example.com/%zz", "https://api.example.com/..;/a",
        "https://api.example.com/\nx", "https://api.example.com/" + "x" * 300, "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_text_that_is_no_base_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_base_url(text)
    assert "word" not in str(caught.value).replace("password", "")
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("url", "expected"), [("http://localhost:1", True), ("https://[::1]", True), ("https://api.example.com", False)]
)
def test_loopback_addresses_are_recognised(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected
