"""The proxies of the environment, read once; an unusable setting is reported by its variable, without its value.

Owns: the choice of the proxy for a base URL. Must not: connect, or raise for a setting that no request needs.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from kojikey.model.base_url import is_loopback
from kojikey.model.errors import BadNetworkSettings, Effect
from kojikey.model.key_detection import looks_like_key
from kojikey.model.next_step import Hint, next_step

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""The first of these that is set counts. HTTP_PROXY is not among them, because http is for loopback alone."""
_NO_PROXY = ("no_proxy", "NO_PROXY")
VARIABLES = (*_PROXY_VARIABLES, *_NO_PROXY)
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_DOMAIN = re.compile(r"(?:\*?\.)?([A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?)(?::([0-9]{1,5}))?")
_SHOWN = re.compile(r"[ -~]{1,80}")


class Proxy(NamedTuple):
    """A proxy that can be used. ``variable`` names the setting."""

    variable: str
    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.variable})"


class Problem(NamedTuple):
    """A setting that cannot be used. ``predicate`` completes the sentence and repeats nothing of a proxy's address."""

    variable: str
    predicate: str

    def __str__(self) -> str:
        return f"{self.variable} {self.predicate}"


@dataclass(frozen=True, slots=True, repr=False)
class Proxies:
    """The environment's settings for proxies: only the first of ``named`` is used, except for the ``exempt`` hosts.

    ``ignored`` are the entries of NO_PROXY that cannot be used.
    """

    named: tuple[Proxy | Problem, ...] = ()
    exempt: tuple[str, ...] = ()
    exempt_variable: str = "NO_PROXY"
    ignored: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Proxies:
        """Return the settings of an environment; on macOS and Windows, if it has none, those of the system."""
        addresses = [(name, environ[name]) for name in _PROXY_VARIABLES if environ.get(name)]
        if not addresses and sys.platform in ("darwin", "win32"):
            addresses = _system_proxies()
        named = tuple(_parsed(name, value) for name, value in addresses)
        no_variable = next((name for name in _NO_PROXY if environ.get(name)), "NO_PROXY")
        no_value = environ.get(no_variable, "")
        entries = [entry for part in no_value.split(",") if (entry := part.strip())]
        usable = tuple(entry for entry in entries if _is_usable(entry))
        ignored = tuple(_shown(entry) for entry in entries if entry not in usable)
        return cls(named, usable, no_variable, ignored)

    def proxy_for(self, base_url: str) -> Proxy | None:
        """Return the proxy for requests to a checked base URL, None if they need none.

        Raises:
            BadNetworkSettings: they need a proxy that cannot be used.
        """
        if not self.named or is_loopback(base_url) or self._is_exempt(base_url):
            return None
        chosen = self.named[0]
        if isinstance(chosen, Problem):
            raise BadNetworkSettings(f"{chosen}", hint=_hint(chosen.variable), effect=Effect.NOTHING_SENT)
        return chosen

    def warning(self) -> str | None:
        """Return a warning about NO_PROXY, None if all of its entries can be used."""
        if not self.ignored:
            return None
        is_one = len(self.ignored) == 1
        entries, are = ("the entry", "is") if is_one else ("the entries", "are")
        return f"{self.exempt_variable}: {entries} {', '.join(self.ignored)} cannot be used and {are} ignored"

    def problems(self) -> list[Problem]:
        """Return each setting that cannot be used, also those that no request needs."""
        found = [setting for setting in self.named if isinstance(setting, Problem)]
        ignored = (f"has an entry that cannot be used and is ignored: {entry}" for entry in self.ignored)
        return found + [Problem(self.exempt_variable, predicate) for predicate in ignored]

    def _is_exempt(self, base_url: str) -> bool:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or 443
        return any(_covers(entry, host, port) for entry in self.exempt)


def _hint(variable: str) -> str:
    return Hint(
        f"correct or unset {variable}, or name the host in NO_PROXY; ", next_step("doctor"), " lists such settings"
    )


def _system_proxies() -> list[tuple[str, str]]:
    from urllib.request import getproxies

    found = getproxies()
    return [("the system's proxy setting", found[name]) for name in ("https", "all") if found.get(name)]


def _parsed(variable: str, value: str) -> Proxy | Problem:
    """Return a proxy from its URL (``host:port`` is http), or the problem with it."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return Problem(variable, "is not a proxy address: its host or port is not valid")
    if scheme.startswith("socks") and scheme not in _DEFAULT_PORTS:
        return Problem(
            variable, "names an unsupported kind of SOCKS proxy: only socks5:// and socks5h:// are supported"
        )
    if scheme not in _DEFAULT_PORTS:
        return Problem(variable, "is not a proxy address: use http://HOST:PORT, https:// or socks5://")
    if not _HOST.fullmatch(f"[{host}]" if ":" in host else host) or port == 0:
        return Problem(variable, "is not a proxy address: its host or port is not valid")
    if scheme.startswith("socks") and not _has_socks():
        return Problem(variable, "names a SOCKS proxy, which needs the extra kojikey[socks]")
    user = unquote(parts.username) if parts.username is not None else None
    return Proxy(variable, scheme, host, port or _DEFAULT_PORTS[scheme], user, unquote(parts.password or ""))


def _has_socks() -> bool:
    from importlib.util import find_spec

    return find_spec("socksio") is not None


def _is_usable(entry: str) -> bool:
    """Return whether an entry is ``*``, a domain with or without a port, an address, or a range of IPv4 addresses."""
    return entry == "*" or _address(entry) is not None or _range(entry) is not None or _domain(entry) is not None


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and (_address(entry) is not None or "/" in entry):
        block = _range(entry)
        return address == _address(entry) or (block is not None and address in block)
    domain = _domain(entry)
    if domain is None:
        return False
    name, only_port = domain
    return only_port in (None, port) and (host == name or host.endswith(f".{name}"))


def _domain(entry: str) -> tuple[str, int | None] | None:
    match = _DOMAIN.fullmatch(entry)
    return (match[1].lower(), int(match[2]) if match[2] else None) if match and ".." not in entry else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _range(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _shown(entry: str) -> str:
    """Return an entry for a message, or a placeholder if its text may be hostile or a key."""
    is_shown = _SHOWN.fullmatch(entry) and not any(map(looks_like_key, entry.split()))
    return entry if is_shown else "(not shown)"
