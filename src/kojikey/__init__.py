"""kojikey keeps provider API keys sealed, asks providers whether they work, and rotates them without losing one.

This is the public face for programs: :func:`resolve`, :class:`Client` and :func:`judge`. It is cheap to import:
the store, the cryptography and the network are loaded when a key is asked for. It never prints, prompts or exits.
"""

from __future__ import annotations

from kojikey.model.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.client import Client, Headers
    from kojikey.model.credential import Credential
    from kojikey.model.secret import Secret
    from kojikey.model.verdict import Verdict

__all__ = ["Client", "Credential", "Secret", "__version__", "judge", "resolve"]


def resolve(provider: str, *, account: str | None = None, store: str | None = None) -> Credential:
    """Return what to authenticate with at a provider: the account's own key, or word that it has none.

    ``account`` and ``store`` default as on the command line: ``KOJIKEY_ACCOUNT`` and ``KOJIKEY_STORE``, then
    ``config.toml``, then ``default`` and ``local``. No request is made and nothing is asked of a person: a store
    sealed with a passphrase needs ``KOJIKEY_PASSPHRASE_FILE``.

    A provider at which the account has no key is not an error: the credential says ``source="built_in"`` (at a
    provider without a built-in allocation ``"none"``) and its ``secret`` is ``None``.

    Raises:
        kojikey.model.errors.UsageError: no such provider, or a malformed account name or configuration.
        kojikey.model.errors.NotFound: the store that was named does not exist.
        kojikey.model.errors.StoreUnavailable: the store could not be read.
        kojikey.model.errors.CannotOpen: the KEK is missing or wrong, or the record was changed outside kojikey.
    """
    from kojikey.wiring import resolve_for_program

    return resolve_for_program(provider, account=account, store=store)


def judge(provider: str, status: int, headers: Headers | None = None, body: object = None) -> Verdict:
    """Return what a provider's real answer says about the key that was used, as a test would judge it.

    ``body`` is bytes, a text, or what was read from JSON. A 429 never rejects or limits a key by its status, and a 5xx
    by nothing. No request is made, and no store is touched.

    Raises:
        kojikey.model.errors.UsageError: no such provider.
    """
    from kojikey.client import judge as judged

    return judged(provider, status, headers, body)


def __getattr__(name: str) -> object:
    if name == "Client":
        from kojikey.client import Client

        return Client
    if name == "Credential":
        from kojikey.model.credential import Credential

        return Credential
    if name == "Secret":
        from kojikey.model.secret import Secret

        return Secret
    raise AttributeError(f"module 'kojikey' has no attribute {name!r}")
