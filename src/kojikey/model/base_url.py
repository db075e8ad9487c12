"""The address that a provider's paths are appended to: one spelling for each, and never one that would leak a key.

`kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

import re

from kojikey.model.errors import UsageError

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:%-]+)*)/?"
)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
_LOOPBACK = re.compile(rf"localhost|127(?:\.{_BYTE}){{3}}|\[::1\]")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # most clients read this host as an IPv4 address
_DECEIVING = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:2[EF5]|5C|[01][0-9A-F]|7F)", re.IGNORECASE)
_LONGEST = 300
_HINT = "a base URL looks like https://api.example.com or https://gateway.example.com/prefix; http only for loopback"


def check_base_url(text: str) -> str:
    """Return a base URL in its one spelling: lower-case host, no default port, no trailing slash.

    A base URL is a scheme, a host and an optional path prefix. The scheme is ``https``, because the key is sent in a
    header; loopback addresses (``localhost``, ``127.0.0.0/8``, ``[::1]``) may have ``http``.

    Raises:
        UsageError: the text is not a base URL. It is not repeated, because it may hold a password or a key.
    """
    text = text.strip()
    problem = problem_of_base_url(text)
    match = _URL.fullmatch(text)
    if problem or not match:
        raise UsageError(f"that is not a base URL: {problem}", hint=_HINT)
    scheme, host = match["scheme"].lower(), _one_spelling(match["host"])
    port = int(match["port"]) if match["port"] else None
    default = port is None or port == {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{host}{'' if default else f':{port}'}{match['path']}"


def is_loopback(base_url: str) -> bool:
    """Return whether a checked base URL is on this machine."""
    match = _URL.fullmatch(base_url)
    return bool(match and _LOOPBACK.fullmatch(_one_spelling(match["host"])))


def _one_spelling(host: str) -> str:
    """Return a host in small letters, an IPv6 address in its short form; ``""`` if the IPv6 address is not valid."""
    if not host.startswith("["):
        return host.lower()
    from ipaddress import IPv6Address  # a few milliseconds, and hardly ever needed

    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except ValueError:
        return ""


def problem_of_base_url(text: str, *, carries: str = "the key") -> str | None:
    """Return why a text is not a base URL, None if it is one; ``carries`` names what http would send unencrypted."""
    text = text.strip()
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if "?" in text or "#" in text:
        return "it has a query or a fragment"
    if "@" in text:
        return "it has a user name or a password"
    match = _URL.fullmatch(text)
    return _problem_of_parts(match, carries) if match else "it is not scheme://host/prefix"


def _problem_of_parts(match: re.Match[str], carries: str) -> str | None:
    scheme, host = match["scheme"].lower(), _one_spelling(match["host"])
    if scheme not in ("https", "http"):
        return "its scheme is not https"
    if not _is_host(host) or (match["port"] and not 0 < int(match["port"]) < 65536):
        return "its host or port is not valid"
    if scheme == "http" and not _LOOPBACK.fullmatch(host):
        return f"http would send {carries} unencrypted, and is accepted only for loopback addresses"
    if any(part.split(";")[0] in (".", "..") for part in match["path"].split("/")):
        return "its path contains . or .."
    if _DECEIVING.search(match["path"]):
        return "its path contains an encoded dot, slash, percent sign or control character"
    return None


def _is_host(host: str) -> bool:
    if not host or ".." in host:
        return False
    return not _ENDS_IN_A_NUMBER.fullmatch(host) or _IPV4.fullmatch(host) is not None
