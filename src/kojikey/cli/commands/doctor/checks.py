"""The checks of ``kojikey doctor``, in the order in which one builds on another."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator

from kojikey import wiring
from kojikey.cli.commands.doctor.findings import Finding, finding_for, findings_of
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.model.environment import Environment
from kojikey.model.errors import KojikeyError
from kojikey.model.home import expanded
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import shell_quoted, shown
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin.diagnosing import KeyWaits, diagnose
from kojikey.providers.catalog import load_catalog
from kojikey.providers.index import read_index
from kojikey.sealing.kek.base import PASSPHRASE_FILE_VARIABLE, KekInputs
from kojikey.sealing.kek.registry import check_source, make


def check_up(context: Context) -> Iterator[Finding]:
    """Yield the findings; a check that an earlier finding makes impossible is left out."""
    yield _versions()
    yield from _folders(context)
    yield from _definitions(context)
    try:
        open_store = wiring.open_chosen_store(context.settings, context.person)
    except KojikeyError as error:
        yield finding_for("store", error)
        return
    if open_store.header is wiring.NO_STORE:
        yield from _no_store(context)
        return
    yield Finding("store", "ok", f"{open_store.store.place} (chosen by {context.settings.store.origin})")
    defined = frozenset(load_catalog(context.settings.home.providers).ids())
    try:
        yield from _undefined_providers(context, open_store, defined)
        yield from _store_findings(open_store, context.account, defined)
    except KojikeyError as error:  # a store that opens may have damaged pages, or go away meanwhile
        yield finding_for("store", error)


def unusable_config(error: KojikeyError) -> Iterator[Finding]:
    """Yield the findings for a config.toml that cannot be used; it names the store, so nothing else is checked."""
    yield _versions()
    yield finding_for("config.toml", error)


def _versions() -> Finding:
    from kojikey import __version__

    python = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("kojikey", "ok", f"{__version__} on Python {python}, {sys.platform}")


def _folders(context: Context) -> Iterator[Finding]:
    home = context.settings.home
    for name, path in (("configuration", home.config), ("data", home.data)):
        if os.path.lexists(path) and not os.path.isdir(path):
            fix = "set KOJIKEY_HOME to a folder"
            yield Finding(f"{name} folder", "wrong", f"{path} is not a folder", fix, Exit.STORE_UNAVAILABLE)
            continue
        if not os.path.isdir(path):
            yield _missing_folder(name, path, is_needed=name == "data" and context.settings.is_local)
            continue
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if os.name == "posix" and mode & 0o077:
            fix = f"chmod 700 {shell_quoted(path)}"
            yield Finding(f"{name} folder", "wrong", f"other users can access {path}", fix, Exit.STORE_UNAVAILABLE)
        else:
            yield Finding(f"{name} folder", "ok", path)
    if os.path.exists(home.config_file):
        yield Finding("config.toml", "ok", home.config_file)
    yield from _read_only(dict.fromkeys((home.config, home.data, home.database)))
    yield from _network()


def _missing_folder(name: str, path: str, *, is_needed: bool) -> Finding:
    """Return whether a folder that does not exist can be created; a container may be read-only on purpose."""
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if os.path.isdir(parent) and os.access(parent, os.W_OK):
        return Finding(f"{name} folder", "normal", f"{path} does not exist yet; it is created when it is needed")
    problem = f"{path} does not exist, and cannot be created: {parent} cannot be written by this user"
    state, code = ("wrong", Exit.STORE_UNAVAILABLE) if is_needed else ("note", Exit.OK)
    return Finding(f"{name} folder", state, problem, "set KOJIKEY_HOME to a folder that this user can create", code)


def _read_only(paths: Iterable[str]) -> Iterator[Finding]:
    """Yield the paths that exist and cannot be written, which may be intended."""
    for path in paths:
        if os.path.exists(path) and not os.access(path, os.W_OK):
            fix = f"chmod u+w {shell_quoted(path)}, or run kojikey as its owner, if something is to be changed"
            yield Finding("read-only", "note", f"{path} cannot be written by this user", fix)


_NETWORK = (
    "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


def _network() -> Iterator[Finding]:
    """Yield the variables that requests follow, and each that cannot be used; one that is never used is not wrong."""
    from kojikey.providers.requests.proxies import Proxies

    variables = [name for name in _NETWORK if os.environ.get(name)]
    if variables:
        yield Finding("network", "normal", "requests follow " + ", ".join(variables))
    proxies = Proxies.read(Environment(os.environ))
    for problem in proxies.problems():
        is_used = problem in proxies.named[:1]
        state, code = ("wrong", Exit.USAGE) if is_used else ("note", Exit.OK)
        yield Finding("network", state, str(problem), f"correct or unset {problem.variable}", code)
    if "SSL_CERT_FILE" in variables or "SSL_CERT_DIR" in variables:
        from kojikey.providers.requests.network import tls_context

        try:
            tls_context()
        except KojikeyError as error:
            yield finding_for("network", error)


def _definitions(context: Context) -> Iterator[Finding]:
    found = load_catalog(context.settings.home.providers)
    bundled = read_index()
    own = [name for name in found.ids() if name not in bundled]
    counted = [f"{len(bundled)} come with kojikey", *(f"{name} is your own" for name in own)]
    yield Finding("providers", "ok", ", ".join(counted))
    for mistake in found.mistakes:
        yield finding_for(f"provider file {os.path.basename(mistake.path)}", mistake)


def _undefined_providers(context: Context, open_store: OpenStore, defined: frozenset[str]) -> Iterator[Finding]:
    """Yield the keys whose provider is no longer defined: they are neither tested nor passed to programs."""
    for stored in open_store.store.scan():
        account, provider = stored.ref.account, stored.ref.provider
        if provider in defined:
            continue
        name = shown(provider)
        yield Finding(
            f"{shown(account)}/{name}",
            "wrong",
            f"the provider {name} has no usable definition: its key is neither tested nor passed to programs",
            Hint(
                next_step("remove", name, "--account", shown(account)),
                f", or put its file into {context.settings.home.providers}",
            ),
            Exit.NOT_FOUND,
        )


def _no_store(context: Context) -> Iterator[Finding]:
    yield Finding("store", "normal", "it does not exist yet", Hint(next_step("add", "PROVIDER"), " creates it"))
    inputs = wiring.kek_inputs(context.settings, context.person)
    try:
        source = context.settings.config.get("kek") or wiring.default_kek_source(
            context.settings, context.person, inputs
        )
        _try_source(source, inputs)
    except KojikeyError as error:
        yield finding_for("KEK", error)
    else:
        yield Finding("KEK", "ok", f"a new store would use: {source}")


def _try_source(source: str, inputs: KekInputs) -> None:
    """Read the KEK of a new store, if it exists; asks and creates nothing.

    Raises:
        UsageError: there is no such source. CannotOpen: the KEK exists and cannot be used.
    """
    check_source(source)
    name, _, path = source.partition(":")
    exists = {
        "env": True,
        "passphrase": bool(inputs.environ.get(PASSPHRASE_FILE_VARIABLE)),
        "file": os.path.exists(expanded(path, what="a KEK file")) if name == "file" else False,
    }
    if exists.get(name):
        make(source, store_id="", inputs=inputs._replace(ask_passphrase=None))


def _store_findings(open_store: OpenStore, account: str, defined: frozenset[str]) -> Iterator[Finding]:
    for diagnosis in diagnose(open_store, account=account):
        # no command works for a key without a definition
        if not isinstance(diagnosis, KeyWaits) or diagnosis.provider in defined:
            yield from findings_of(diagnosis)
