"""The address that a provider's paths are appended to: one spelling for each, and never one that would leak a key.

On the way of `kojikey run`: imports nothing that is slow to load.
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
_LOOPBACK = re.compile(r"localhost|127(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}|\[(?:0{0,4}:){1,7}0{0,3}1\]")
_LONGEST = 300
_HINT = "a base URL is such as https://api.example.com or https://gateway.example.com/prefix; http only for loopback"


def check_base_url(text: str) -> str:
    """Return the base URL in its one spelling: lower-case host, no default port, no trailing slash.

    It is a scheme, a host and an optional path prefix. ``https`` alone is accepted, and ``http`` for loopback
    addresses (``localhost``, ``127.0.0.0/8``, ``[::1]``), because the key travels in a header.

    Raises:
        UsageError: it is not one. The text is not repeated: it may hold a password or a key.
    """
    text = text.strip()
    problem = _problem(text)
    match = _URL.fullmatch(text)
    if problem or not match:
        raise UsageError(f"that is not a base URL: {problem or 'it is not scheme://host/prefix'}", hint=_HINT)
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"]) if match["port"] else None
    default = port is None or port == {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{host}{'' if default else f':{port}'}{match['path']}"


def is_loopback(base_url: str) -> bool:
    """Tell whether a checked base URL is on this machine."""
    match = _URL.fullmatch(base_url)
    return bool(match and _LOOPBACK.fullmatch(match["host"].lower()))


def _problem(text: str) -> str | None:
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if "?" in text or "#" in text:
        return "it has a query or a fragment"
    if "@" in text:
        return "it has a user name or a password"
    match = _URL.fullmatch(text)
    return _problem_of_parts(match) if match else None


def _problem_of_parts(match: re.Match[str]) -> str | None:
    scheme, host = match["scheme"].lower(), match["host"].lower()
    if scheme not in ("https", "http"):
        return "its scheme is not https"
    if scheme == "http" and not _LOOPBACK.fullmatch(host):
        return "http would send the key unencrypted, and is accepted for loopback addresses alone"
    if ".." in host or (match["port"] and not 0 < int(match["port"]) < 65536):
        return "its host or port is not one"
    if any(part in (".", "..") for part in match["path"].split("/")):
        return "its path has . or .. in it"
    return None
