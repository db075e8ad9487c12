"""Settings: from an option, else the environment, else config.toml, else the default; each with its origin.

`kojikey run` imports this: the TOML reader is imported only if there is a config.toml, platformdirs hardly ever on
Linux.
"""

from __future__ import annotations

import os
import re
import sys

from kojikey.model.account import DEFAULT_ACCOUNT, checked_account
from kojikey.model.errors import BadAccount, Effect, StoreNotFound, UnsafeConfig, UsageError
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.next_step import next_step
from kojikey.model.ownership import foreign_writer
from kojikey.model.plain_text import shell_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from kojikey.model.errors import BadDefinition, UnsafeDefinition

    class Warnings(Protocol):
        """Shows warnings about settings on the terminal of a command. A program has none."""

        def text(self, text: str) -> None:
            """Show a warning."""

        def mistake(self, mistake: BadDefinition | UnsafeDefinition) -> None:
            """Show a warning about a provider definition of the user that is not used."""


LOCAL = "local"
_COMMAND_LINE = ("option", "argument")
# user:password@, also if the password has an unescaped character that ends the host; or a password as an option.
_PASSWORD = r"(?i)(?!sqlite:)[^:]*://[^?#@]*:[^?#]*@|.*[?&](ssl)?password="  # compiled where it is needed
_SHORTEST_KEY = 20
_HAS_OWNERS = hasattr(os, "geteuid")  # Windows has access lists instead
_FALSE = ("", "0", "false", "no", "n", "off")  # some CI systems set CI to their own name


class Setting(NamedTuple):
    """A value and its origin: ``option``, the variable's name, ``config.toml`` or ``default``."""

    value: str
    origin: str


class Home(NamedTuple):
    """The folders for configuration (``config.toml``, ``providers/``) and data (``keys.db``)."""

    config: str
    data: str

    @property
    def config_file(self) -> str:
        """The path of config.toml, which may not exist."""
        return os.path.join(self.config, "config.toml")

    @property
    def providers(self) -> str:
        """The folder of the user's own provider definitions, which may not exist."""
        return os.path.join(self.config, "providers")

    @property
    def database(self) -> str:
        """The path of the local store, which may not exist."""
        return os.path.join(self.data, "keys.db")


def find_home(environ: Mapping[str, str]) -> Home:
    """Return the folders: ``KOJIKEY_HOME`` for both if it is set, else the platform's own.

    Raises:
        UsageError: it is not set, and this user has no home folder.
    """
    home = environ.get("KOJIKEY_HOME")
    if home:
        if home.startswith("~"):
            from kojikey.model.home import expanded

            home = expanded(home, what="KOJIKEY_HOME")
        path = os.path.abspath(home)
        return Home(path, path)
    return _linux_home(environ) or _platform_home()


def _linux_home(environ: Mapping[str, str]) -> Home | None:
    """Return the folders on Linux; None on another system, or if HOME and the XDG variables do not determine them.

    They are the folders that platformdirs returns. To import it takes a quarter as long as the rest of ``kojikey run``.
    """
    if sys.platform != "linux" or "ANDROID_ROOT" in environ:
        return None
    folders, home = [], environ.get("HOME", "")
    for variable, default in (("XDG_CONFIG_HOME", "/.config"), ("XDG_DATA_HOME", "/.local/share")):
        base = environ.get(variable, "")
        if not base.startswith("/"):  # the XDG specification says to ignore a relative path
            if not home.startswith("/"):
                return None
            base = home.rstrip("/") + default
        folders.append(os.path.join(base, "kojikey"))
    return Home(*folders)


def _platform_home() -> Home:
    import platformdirs

    try:
        return Home(
            platformdirs.user_config_dir("kojikey", appauthor=False, roaming=True),
            platformdirs.user_data_dir("kojikey", appauthor=False),
        )
    except RuntimeError:
        raise UsageError(
            "there is no home folder (HOME is not set, and this user has no passwd entry)",
            hint="set KOJIKEY_HOME to the folder for keys.db and config.toml",
            effect=Effect.NOTHING_DONE,
        ) from None


class Settings:
    """The settings of one command or one call of the library.

    ``account``, ``store`` and ``no_input`` are the values from the command line or the call; None and False mean not
    given. ``config`` is used instead of config.toml. ``warnings`` shows settings that are ignored or unsafe.
    """

    __slots__ = ("account", "config", "environ", "home", "mistakes", "ruled_out_by", "store", "warnings")

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        account: str | None = None,
        store: str | None = None,
        no_input: bool = False,
        config: dict[str, Any] | None = None,
        warnings: Warnings | None = None,
    ) -> None:
        self.environ, self.warnings = environ, warnings
        self.mistakes: dict[str, BadDefinition | UnsafeDefinition] = {}
        """The mistakes in provider definitions about which there was a warning already, by path."""
        self.home = find_home(environ)
        self.config = read_config(self.home.config_file) if config is None else config
        self.account = self._chosen(account, "KOJIKEY_ACCOUNT", "account", DEFAULT_ACCOUNT)
        self.store = self._chosen(store, "KOJIKEY_STORE", "store", LOCAL)
        variables = (name for name in ("KOJIKEY_NO_INPUT", "CI") if _truth(environ, name))
        self.ruled_out_by = "--no-input" if no_input else next(variables, "")

    def _chosen(self, option: str | None, variable: str, name: str, default: str) -> Setting:
        if option is not None:
            return Setting(option, "option")
        if self.environ.get(variable):
            return Setting(_no_key(self.environ[variable], variable), variable)
        if name in self.config:
            return Setting(self.config[name], "config.toml")
        return Setting(default, "default")

    def check_account(self) -> None:
        """Check the form of the account's name, before it is used: ``config set account`` must correct a wrong one.

        Raises:
            BadAccount: it has another form; the error names the variable or file that has it.
        """
        try:
            checked_account(self.account.value)
        except BadAccount as error:
            if self.account.origin not in _COMMAND_LINE:
                error.place = self.account.origin
            raise

    @property
    def no_input(self) -> bool:
        """Whether nobody may be asked; ``ruled_out_by`` names the option or variable that says so."""
        return bool(self.ruled_out_by)

    def for_store(self, name: str) -> Settings:
        """Return the same settings for another store, given by its name or URL."""
        from copy import copy

        other = copy(self)
        other.store = Setting(name, "option")
        return other

    def store_url(self) -> str:
        """Return the URL of the chosen store.

        Raises:
            StoreNotFound: it is neither a URL nor a name that config.toml knows. UsageError: it has a password.
        """
        name = self.store.value
        stores: dict[str, dict[str, str]] = self.config.get("stores", {})
        if name in stores:
            return stores[name]["url"]
        if name == LOCAL:
            return file_url(self.home.database)
        if "://" in name:
            if self.store.origin in _COMMAND_LINE and has_password(name):
                raise UsageError(
                    "a password in a URL on the command line is seen by everybody on this machine; it was not used",
                    hint="leave it out (PostgreSQL: ~/.pgpass or PGPASSWORD), and change it: it is in the shell's "
                    "history now",
                )
            return name
        known = ", ".join(sorted({LOCAL, *stores}))
        error = StoreNotFound(
            "",  # the name is not repeated: it may be a key that was put in the wrong place
            f"there is no store of that name in {self.home.config_file} (known: {known})",
            hint=_meant_file(name) or next_step("store init", "URL", "--name", "NAME", "--kek", "SOURCE"),
            effect=Effect.NOTHING_DONE,
        )
        if self.store.origin not in _COMMAND_LINE:
            error.place = self.store.origin
        raise error

    @property
    def is_local(self) -> bool:
        """Whether the chosen store is the one in the data folder, which ``add`` creates if it does not exist."""
        return self.store.value == LOCAL and LOCAL not in self.config.get("stores", {})


def file_url(path: str) -> str:
    """Return the URL of the store in a file; every character may occur in the path."""
    return "sqlite://" + path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _meant_file(name: str) -> str | None:
    """Return a hint with the URL of a file, if the name of a store looks like the path of a file; else None."""
    is_plain = re.fullmatch(r"[\w./-]{1,200}", name, re.ASCII)
    if not is_plain or ("/" not in name and not name.endswith((".db", ".sqlite"))):
        return None
    from kojikey.model.key_detection import looks_like_key

    return None if looks_like_key(name) else f"a file is named by its URL: {file_url(os.path.abspath(name))}"


def has_password(text: str) -> bool:
    """Return whether a text is a URL with a password."""
    return re.match(_PASSWORD, text) is not None


def without_password(text: str) -> str:
    """Return a text with ``***`` in place of a URL's password, and of more if the password's end is not clear."""
    if not has_password(text):
        return text
    shown = re.sub(r"([?&](?:ssl)?password=)[^&#]*", r"\1***", text, flags=re.IGNORECASE)
    return re.sub(r"(://[^/?#@:]*:).*@", r"\1***@", shown)


def _no_key(value: str, variable: str) -> str:
    """Return a variable's value, after checking that it is not a provider key, which messages would repeat.

    Raises:
        UsageError: it looks like one.
    """
    if len(value) >= _SHORTEST_KEY and "://" not in value:
        from kojikey.model.key_detection import looks_like_key

        if looks_like_key(value):
            raise UsageError(
                f"the value of {variable} looks like a provider key; it was not used and is not repeated",
                hint=f"unset {variable}, or set it to a name",
            )
    return value


def _truth(environ: Mapping[str, str], variable: str) -> bool:
    return environ.get(variable, "").strip().lower() not in _FALSE


def read_config(path: str) -> dict[str, Any]:
    """Return the checked values of config.toml, ``{}`` if there is no such file.

    A folder that cannot be searched, or a broken link, is an error: the file may exist, and another store would
    silently be used in place of the one that it names.

    Raises:
        BadConfig: it cannot be read, or has mistakes; each is named by line and key.
        UnsafeConfig: others can write it, or can read it and it has a password.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)) and not os.path.islink(path):
            return {}
        from kojikey.config.config_file import unreadable

        raise unreadable(path, error) from None
    _refuse_writable(found, path)
    from kojikey.config.config_file import parse_config, read_text

    config = parse_config(read_text(path), path)
    _refuse_readable(found, path, config)
    return config


def _refuse_writable(found: os.stat_result, path: str) -> None:
    # A person who can write this file decides where keys are stored, and so which keys are used.
    problem = foreign_writer(found, path)
    if problem:
        raise UnsafeConfig(path, problem[0], hint=problem[1])


def _refuse_readable(found: os.stat_result, path: str, config: dict[str, Any]) -> None:
    urls = (config.get("store", ""), *(store["url"] for store in config.get("stores", {}).values()))
    if _HAS_OWNERS and found.st_mode & 0o044 and any(map(has_password, urls)):
        problem = f"can be read by others (mode {found.st_mode & 0o7777:04o}), and there is a password in it"
        raise UnsafeConfig(path, problem, hint=f"chmod 600 {shell_quoted(path)}")
