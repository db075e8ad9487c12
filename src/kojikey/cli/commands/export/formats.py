"""Names and values in the formats that other programs read, quoted so that each program reads back exactly the value.

A value is visible ASCII: a key after its cleaning, or a base URL. Must not: know where values come from or where they
go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from kojikey.model.errors import Effect, UsageError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LONGEST_NAME = 253


def dotenv(values: Mapping[str, str], _: str) -> str:
    """Return the lines of a ``.env`` file, as python-dotenv reads them.

    python-dotenv replaces ``${…}`` also between single quotes, and has no escape for it. So ``${`` is written as
    ``${:-$}{``: a variable without a name, whose default is ``$``, and the brace.
    """
    return _lines(values, lambda name, value: f"{name}={_dotenv_value(value)}")


def _dotenv_value(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "${:-$}{")
    return f"'{escaped}'"


def shell(values: Mapping[str, str], _: str) -> str:
    """Return commands for a POSIX shell."""
    return _lines(values, lambda name, value: f"export {name}='" + value.replace("'", "'\\''") + "'")


def fish(values: Mapping[str, str], _: str) -> str:
    """Return commands for fish, which knows only the escapes ``\\\\`` and ``\\'`` between single quotes."""
    return _lines(
        values, lambda name, value: f"set -gx {name} '" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    )


def powershell(values: Mapping[str, str], _: str) -> str:
    """Return commands for PowerShell, which expands nothing between single quotes; a quote is doubled."""
    return _lines(values, lambda name, value: f"$env:{name} = '" + value.replace("'", "''") + "'")


def flat_json(values: Mapping[str, str], _: str) -> str:
    """Return one flat JSON object."""
    return json.dumps(dict(values), indent=2, ensure_ascii=True) + "\n"


def docker(values: Mapping[str, str], _: str) -> str:
    """Return an env-file for ``docker run``: the value is everything after the first ``=``, quotes included."""
    return _lines(values, lambda name, value: f"{name}={value}")


def k8s(values: Mapping[str, str], secret: str) -> str:
    """Return the manifest of a Kubernetes Secret. Strings are in JSON, which YAML reads; a plain ``NO`` is false."""
    data = "".join(f"  {json.dumps(name)}: {json.dumps(values[name])}\n" for name in values)
    head = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {json.dumps(secret)}\ntype: Opaque\n"
    return f"{head}stringData:\n{data}"


def secret_name(given: str | None, account: str) -> str:
    """Return the name of a Secret: ``given``, else one derived from the account's name.

    Raises:
        UsageError: Kubernetes would refuse it.
    """
    name = re.sub(r"[^a-z0-9.-]", "-", f"kojikey-{account}").strip(".-") if given is None else given
    if len(name) > _LONGEST_NAME or not re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", name):
        raise UsageError(
            "Kubernetes refuses that name of a Secret",
            effect=Effect.NOTHING_PRINTED,
            hint="--name takes up to 253 of a-z 0-9 - and dots between parts that begin and end with a letter or digit",
        )
    return name


def _lines(values: Mapping[str, str], line: Callable[[str, str], str]) -> str:
    return "".join(f"{line(name, values[name])}\n" for name in values)


FORMATS: dict[str, Callable[[Mapping[str, str], str], str]] = {
    "dotenv": dotenv, "shell": shell, "fish": fish, "powershell": powershell, "json": flat_json, "k8s": k8s,
    "docker": docker,
}  # fmt: skip
"""The functions that write each format except ``github``, which writes two texts to two places (``github.py``)."""
