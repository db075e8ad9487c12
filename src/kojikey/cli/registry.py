"""The names of all commands, and the module that defines each. On the hot path: only that module is imported.

Code that no command may import, for example the hints of errors, finds a command and its options here by name.
"""

from __future__ import annotations

from kojikey.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULES: dict[str, str] = {
    "add": "add",
    "test": "test.test",
    "check": "check",
    "list": "list_keys.list_keys",
    "rotate": "rotate.rotate",
    "set": "set_key",
    "remove": "remove",
    "run": "run.run",
    "get": "get",
    "import": "import_keys.import_keys",
    "export": "export.export",
    "providers": "providers",
    "history": "history",
    "unlock": "unlock",
    "lock": "unlock",
    "store init": "store.init",
    "store info": "store.info",
    "store rekey": "store.rekey",
    "store recipients": "store.recipients",
    "store list": "store.names",
    "store use": "store.names",
    "store copy": "store.copy",
    "store grant": "store.grant",
    "store revoke": "store.grant",
    "store policy": "store.policy",
    "account list": "account",
    "account disable": "account",
    "account enable": "account",
    "account remove": "account",
    "audit": "audit.audit",
    "scan": "scan.scan",
    "sandbox": "sandbox.sandbox",
    "config path": "config",
    "config get": "config",
    "config set": "config",
    "config unset": "config",
    "completion": "completion",
    "doctor": "doctor.doctor",
    "help": "help",
    "complete": "complete",
}
HIDDEN = frozenset({"complete"})  # for the completion scripts, not for people
GROUPS: dict[str, str] = {
    "store": "create, describe, choose and re-key stores",
    "config": "read and change config.toml",
    "account": "list accounts, disable their keys, remove them",
}


def load(name: str) -> Command:
    """Return the command of that name."""
    # importing importlib would make every start slower
    module: Any = __import__(f"kojikey.cli.commands.{MODULES[name]}", fromlist=("COMMANDS",))
    commands: tuple[Command, ...] = module.COMMANDS
    return next(command for command in commands if command.name == name)


def load_all() -> list[Command]:
    """Return every command, in the order in which help lists them."""
    return [load(name) for name in MODULES]


def find(tokens: list[str]) -> tuple[Command, list[str]] | None:
    """Return the command whose name the tokens begin with, and the tokens after the name; None if there is none."""
    for length in (1, 2):
        name = " ".join(tokens[:length])
        if len(tokens) >= length and name in MODULES:
            return load(name), tokens[length:]
    return None
