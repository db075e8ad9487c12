"""Which names of environment variables may hold a key.

A variable that changes how programs start or load code must not be set because of a provider definition from elsewhere,
or because of a slip on the command line.
"""

from __future__ import annotations

import re

# Loaders, shells, interpreters, libraries and kojikey itself read these before or beside a program's own settings.
_PREFIXES = (
    "LD_", "DYLD_", "PYTHON", "BASH_", "GIT_", "MALLOC_", "GCONV_", "GLIBC_", "COR_", "CORECLR_", "DOTNET_",
    "NPM_CONFIG_", "RUSTC_", "CARGO_BUILD_", "SSH_", "PERL5", "TERMINFO",
)  # fmt: skip
_NAMES = frozenset({
    "PATH", "IFS", "ENV", "CDPATH", "PS1", "PS2", "PS3", "PS4", "SHELL", "SHELLOPTS", "BASHOPTS",
    "PROMPT_COMMAND", "GLOBIGNORE", "FPATH", "ZDOTDIR", "HOME", "USER", "LOGNAME", "PWD", "OLDPWD", "TMPDIR",
    "TEMP", "TMP", "TERM", "TERMCAP", "LANG", "LANGUAGE", "LOCPATH", "NLSPATH", "HOSTALIASES", "LOCALDOMAIN",
    "RES_OPTIONS", "EDITOR", "VISUAL", "PAGER", "BROWSER", "PERLLIB", "RUBYOPT", "RUBYLIB", "GEM_PATH",
    "GEM_HOME", "BUNDLE_GEMFILE", "NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS",
    "NODE_TLS_REJECT_UNAUTHORIZED", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_HOME",
    "CLASSPATH", "LUA_INIT", "LUA_PATH", "LUA_CPATH", "PHPRC", "PHP_INI_SCAN_DIR", "GOFLAGS", "MAKEFLAGS",
    "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CURL_HOME", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "FTP_PROXY", "PATHEXT", "COMSPEC", "SYSTEMROOT", "WINDIR", "PSMODULEPATH", "APPDATA", "LOCALAPPDATA",
    "USERPROFILE", "PROGRAMDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS",
    "XDG_RUNTIME_DIR", "KOJIKEY_HOME", "KOJIKEY_ACCOUNT", "KOJIKEY_STORE", "KOJIKEY_NO_INPUT", "KOJIKEY_KEK",
    "KOJIKEY_PASSPHRASE_FILE", "KOJIKEY_IDENTITY", "KOJIKEY_IDENTITY_FILE", "KOJIKEY_GOOGLE_APIKEYS_URL",
})  # fmt: skip


def is_variable_name(name: str) -> bool:
    """Return whether a shell can use a text as the name of a variable."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name) is not None


def may_hold_key(name: str) -> bool:
    """Return whether the variable of a name may hold a key or a base URL; small letters count as capitals."""
    capitals = name.upper()
    return is_variable_name(name) and capitals not in _NAMES and not capitals.startswith(_PREFIXES)
