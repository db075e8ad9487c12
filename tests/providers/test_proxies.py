"""The environment's proxies: which requests use one, and the message about an unusable setting."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from kojikey.model.errors import BadNetworkSettings
from kojikey.providers.requests.proxies import Problem, Proxies, Proxy
from support.each import each
from support.probing import ELEVENLABS_KEY, probe
from support.scripted_server import loopback_certificate, playing, request_head, requests, server_context

HERE = "https://api.elevenlabs.io"
PASSWORD = "pass-word"
KEY = "sk_" + "c0ffee12" * 6


def read(**environ: str) -> Proxies:
    return Proxies.read(environ)


def unusable(variable: str, value: str) -> str:
    """Return message and hint of a request that would use an unusable proxy."""
    with pytest.raises(BadNetworkSettings) as caught:
        Proxies.read({variable: value}).proxy_for(HERE)
    said = f"{caught.value} {caught.value.hint}"
    assert variable in str(caught.value)
    assert PASSWORD not in said
    assert caught.value.__cause__ is None
    return said


@each(
    ("value", "expected"),
    [
        ("proxy.example:3128", ("http", "proxy.example", 3128, None, "")),
        ("http://proxy.example", ("http", "proxy.example", 80, None, "")),
        ("https://proxy.example", ("https", "proxy.example", 443, None, "")),
        ("HTTP://Proxy.Example:8080/", ("http", "proxy.example", 8080, None, "")),
        ("http://me:p%40ss@proxy.example:3128", ("http", "proxy.example", 3128, "me", "p@ss")),
        ("http://[::1]:3128", ("http", "::1", 3128, None, "")),
        ("socks5://proxy.example", ("socks5", "proxy.example", 1080, None, "")),
        ("socks5h://proxy.example:9", ("socks5h", "proxy.example", 9, None, "")),
    ],
)
def test_a_proxy_is_read_as_people_write_it(value: str, expected: tuple[object, ...]) -> None:
    proxy = read(HTTPS_PROXY=value).proxy_for(HERE)
    assert isinstance(proxy, Proxy)
    assert tuple(proxy)[1:] == expected
    assert repr(proxy) == "Proxy(HTTPS_PROXY)"


@each(
    "value",
    [
        "http://proxy.example:99999", "http://proxy.example:0", "http://proxy.example:port", "http://", "nonsense",
        f"nonsense://user:{PASSWORD}@proxy.example", f"http://user:{PASSWORD}@pro xy", "http://[::1", "http://[nope]:1",
        "ftp://proxy.example:21", "\x1b[31m", "http://\x1b[31m:1",
    ],
)  # fmt: skip
@each("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_and_not_repeated(variable: str, value: str) -> None:
    if value == "nonsense":
        value = "nonsense:port"
    said = unusable(variable, value)
    assert "\x1b" not in said
    assert value not in said


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "SOCKS"])
def test_an_unsupported_kind_of_socks_is_reported_as_unsupported(scheme: str) -> None:
    assert "socks5://" in unusable("ALL_PROXY", f"{scheme}://user:{PASSWORD}@127.0.0.1:1080")


def test_socks_without_its_package_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "kojikey[socks]" in unusable("ALL_PROXY", "socks5://127.0.0.1:1080")


def test_https_proxy_comes_before_all_proxy_and_lower_case_before_upper_case() -> None:
    every = {"all_proxy": "http://c", "ALL_PROXY": "http://d", "https_proxy": "http://a", "HTTPS_PROXY": "http://b"}
    for host in ("a", "b", "c", "d"):
        proxy = Proxies.read(every).proxy_for(HERE)
        assert proxy is not None
        assert proxy.host == host
        del every[proxy.variable]
    assert Proxies.read(every).proxy_for(HERE) is None


def test_an_unusable_setting_beside_a_usable_one_is_listed_and_stops_nothing() -> None:
    proxies = read(HTTPS_PROXY="http://proxy.example:3128", ALL_PROXY="socks://127.0.0.1:1080", NO_PROXY="fe80::/10")
    proxy = proxies.proxy_for(HERE)
    assert proxy is not None
    assert proxy.variable == "HTTPS_PROXY"
    assert [problem.variable for problem in proxies.problems()] == ["ALL_PROXY", "NO_PROXY"]
    assert all(isinstance(problem, Problem) for problem in proxies.problems())


@each("base_url", ["http://127.0.0.1:8000", "https://127.0.0.1:8000", "https://localhost", "https://[::1]:1"])
@each("value", ["http://proxy.example:3128", "socks://127.0.0.1:1080", "http://proxy.example:99999"])
def test_requests_to_this_machine_go_through_no_proxy(base_url: str, value: str) -> None:
    assert read(HTTPS_PROXY=value, ALL_PROXY=value).proxy_for(base_url) is None


def test_the_variable_http_proxy_is_ignored() -> None:
    assert read(HTTP_PROXY="http://proxy.example:99999", http_proxy="nonsense").proxy_for(HERE) is None


@each(
    ("no_proxy", "base_url", "is_exempt"),
    [
        ("api.elevenlabs.io", HERE, True),
        ("elevenlabs.io", HERE, True),
        (".elevenlabs.io", HERE, True),
        ("*.elevenlabs.io", HERE, True),
        ("ElevenLabs.IO", HERE, True),
        ("*", HERE, True),
        ("a.example, elevenlabs.io ,b.example", HERE, True),
        ("elevenlabs.io:443", HERE, True),
        ("elevenlabs.io:8443", HERE, False),
        ("elevenlabs.io:8443", f"{HERE}:8443", True),
        ("labs.io", HERE, False),
        ("levenlabs.io", HERE, False),
        ("api", HERE, False),
        ("", HERE, False),
        (",,", HERE, False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://10.1.2.3:8443/prefix", True),
        ("10.0.0.1/8", "https://10.1.2.3", True),
        ("192.168.0.0/16", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://10.example", False),
        ("2001:db8::1", "https://[2001:DB8:0::1]", True),
        ("2001:db8::1", "https://[2001:db8::2]", False),
    ],
)
def test_no_proxy_exempts_what_it_names(no_proxy: str, base_url: str, is_exempt: bool) -> None:
    proxies = read(HTTPS_PROXY="http://proxy.example", NO_PROXY=no_proxy)
    assert (proxies.proxy_for(base_url) is None) == is_exempt
    assert proxies.warning() is None


@each("entry", ["fe80::/10", "[::1]", "a b", "http://x", "a..b", "10.0.0.0/99", "x:port", "a/b"])
def test_an_entry_of_no_proxy_that_cannot_be_used_is_ignored_with_one_warning(entry: str) -> None:
    proxies = read(NO_PROXY=f"{entry},elevenlabs.io", HTTPS_PROXY="http://proxy.example:99999")
    assert proxies.proxy_for(HERE) is None
    warning = proxies.warning()
    assert warning is not None
    assert warning.startswith("NO_PROXY: ")
    assert entry in warning


@pytest.mark.parametrize("entry", [f"x/{KEY}", "\x1b]0;x\x07", "é:é", "a/" * 200, f"{KEY}:key", f"a {KEY}"])
def test_an_unusable_entry_of_no_proxy_is_not_repeated(entry: str) -> None:
    warning = read(no_proxy=entry).warning()
    assert warning == "no_proxy: the entry (not shown) cannot be used and is ignored"


@pytest.mark.usefixtures("each_loop")
def test_a_request_through_a_proxy_is_encrypted_to_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = loopback_certificate(str(tmp_path), "api.elevenlabs.io")
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    seen: list[bytes] = []

    def tunnel(connection: socket.socket, _number: int) -> None:
        seen.append(request_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with server_context(certificate).wrap_socket(connection, server_side=True) as secured:
            for head in requests(secured):
                is_account = head.startswith(b"GET")
                body = json.dumps(
                    {"tier": "free"} if is_account else {"detail": {"status": "voice_not_found"}}
                ).encode()
                status = b"200 OK" if is_account else b"404 Not Found"
                secured.sendall(b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    with playing(tunnel) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
        verdict = probe("elevenlabs")
    assert verdict.outcome == "valid"
    assert [head.split(b"\r\n")[0] for head in seen] == [b"CONNECT api.elevenlabs.io:443 HTTP/1.1"]
    assert b"proxy-authorization: basic bwu6c2vjcmv0" in seen[0].lower()
    assert ELEVENLABS_KEY.encode() not in seen[0]


@pytest.mark.usefixtures("each_loop")
def test_an_answer_that_a_proxy_sends_unencrypted_is_not_taken_for_the_providers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes after the proxy's own answer and before encryption may come from anybody."""

    def inject(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}")
        request_head(connection)

    with playing(inject) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        verdict = probe("elevenlabs", timeout=1.0)
    assert (verdict.outcome, verdict.authentic) == ("indeterminate", None)


@pytest.mark.usefixtures("each_loop")
def test_a_socks_proxy_resolves_the_name_and_its_refusal_is_a_network_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []

    def refuse(connection: socket.socket, _number: int) -> None:
        connection.recv(100)
        connection.sendall(b"\x05\x00")
        seen.append(connection.recv(100))
        connection.sendall(b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x00")
        connection.recv(1)

    with playing(refuse) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{port}")
        verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason) == ("indeterminate", "network_blocked")
    assert b"api.elevenlabs.io" in seen[0]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_cannot_be_read_matter_to_encrypted_requests_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    nothing = tmp_path / "nothing"
    if variable == "SSL_CERT_FILE":
        nothing.write_text("no certificate")
    monkeypatch.setenv(variable, str(nothing))

    def closing(connection: socket.socket, _number: int) -> None:
        request_head(connection)

    with playing(closing) as port:
        assert probe("elevenlabs", base_url=f"http://127.0.0.1:{port}").reason == "unreachable"
        with pytest.raises(BadNetworkSettings, match=variable):
            probe("elevenlabs", base_url=f"https://127.0.0.1:{port}")
