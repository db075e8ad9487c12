"""Writes the JSON document of a command that may have a million results, as the results arrive.

Owns: the layout: fewer than a thousand results as in every other document, more with one result per line and the
summary at the end. Must not: keep all results in memory, or leave the document incomplete after a failure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from itertools import chain, islice

import msgspec

from kojikey.cli.exits import Exit
from kojikey.cli.output import documents
from kojikey.cli.output.failure import SCHEMA, Failure, failure_of
from kojikey.cli.output.stdout import Stdout
from kojikey.cli.output.streams import lost_output
from kojikey.model.ref import Document

FEW = 1000

Ending = Callable[[], tuple[int, Document]]
"""Is called after the last result. Returns the exit code and the members that follow; None members are left out."""


def write_long(command: str, results: Iterable[Document], ending: Ending) -> int:
    """Write the document of a command to stdout and return the exit code.

    A failure after the first ``FEW`` results is printed on stderr, and is the ``error`` of the same document.
    """
    rest = iter(results)
    first = list(islice(rest, FEW))
    if len(first) < FEW:
        code, members = ending()
        return documents.write(command, code, first, **members)
    try:
        return _write(command, chain(first, rest), ending)
    except BrokenPipeError as error:
        lost_output(error)
        return int(ending()[0])


def _write(command: str, results: Iterable[Document], ending: Ending) -> int:
    out = Stdout(os.environ)
    begin = f'{{"schema": {json.dumps(SCHEMA)},\n"command": {json.dumps(command)},\n"results": ['
    try:
        for result in results:
            out.json(begin + "\n" + _text(result))
            begin = ","
        code, members = ending()
    except OSError:  # standard output failed, so the document cannot be completed
        raise
    except Exception as error:
        code, members = _failed(failure_of(error))
    except KeyboardInterrupt:
        code, members = _failed(Failure(Exit.INTERRUPTED, "interrupted; nothing was changed"))
    rest = {name: value for name, value in members.items() if value is not None} | {"exit_code": int(code)}
    out.json("\n]" + "".join(f",\n{json.dumps(name)}: {json.dumps(value)}" for name, value in rest.items()) + "\n}\n")
    out.flush()
    return int(code)


def _text(result: Document) -> str:
    """Return a result as JSON in ASCII. msgspec takes a sixth of json's time, but does not escape other characters."""
    text = msgspec.json.encode(result, enc_hook=_plain).decode()
    return text if text.isascii() else json.dumps(result)


def _plain(value: object) -> str:
    """Return a ``Hint`` as a plain ``str``, for msgspec encodes no subclass of it.

    Raises:
        TypeError: the value is not a text; no document has such a value.
    """
    if not isinstance(value, str):
        raise TypeError(f"a document cannot have a {type(value).__name__}")
    return str(value)


def _failed(failure: Failure) -> tuple[int, Document]:
    failure.say()
    return int(failure.code), {"error": failure.as_json()}
