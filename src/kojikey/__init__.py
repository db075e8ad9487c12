"""kojikey keeps provider API keys sealed, asks providers whether they work, and rotates them without losing one.

This is the public interface for programs: :func:`resolve`, :class:`Client` and :func:`judge`. It is fast to import: the
store, the cryptography and the network are imported at the first use of a key. It never prints, prompts or exits.
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
    """Return the credential of an account at a provider.

    ``account`` and ``store`` have the defaults of the command line: ``KOJIKEY_ACCOUNT`` and ``KOJIKEY_STORE``, then
    ``config.toml``, then ``default`` and ``local``. It makes no request and has no prompt: a store with a passphrase
    needs ``KOJIKEY_PASSPHRASE_FILE``.

    It is not an error if the account has no key at the provider: ``source`` is ``"built_in"`` then (``"none"`` at a
    provider without a built-in allocation), and ``secret`` is ``None``.

    Raises:
        kojikey.model.errors.UsageError: there is no such provider, or the account's name or the configuration is
            malformed.
        kojikey.model.errors.NotFound: the named store does not exist.
        kojikey.model.errors.StoreUnavailable: the store cannot be read.
        kojikey.model.errors.CannotOpen: the KEK is missing or wrong, or the record was changed outside kojikey.
    """
    from kojikey.wiring import resolve_for_program

    return resolve_for_program(provider, account=account, store=store)


def judge(provider: str, status: int, headers: Headers | None = None, body: object = None) -> Verdict:
    """Return the verdict on a key from a provider's real answer, as a test would judge it.

    ``body`` is bytes, a text, or decoded JSON. A 429 never rejects or limits a key by its status alone, and a 5xx never
    does by anything. No request is made, and no store is opened.

    Raises:
        kojikey.model.errors.UsageError: there is no such provider.
    """
    from kojikey.client import judge as judged
    from kojikey.model.secret import hidden_body

    body = hidden_body(body)  # a provider may repeat the key in it, and a traceback may show it
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
