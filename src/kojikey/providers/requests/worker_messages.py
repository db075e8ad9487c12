"""The messages between a run and its worker processes: one JSON object per line, in ASCII.

Owns: the form of each message, both ways. Must not: read or write a pipe. JSON and not pickle, because a worker reads
hostile answers: nothing that it writes may run as code in the process that has the store. For a message of another
form, the functions raise ValueError, KeyError or TypeError.

To a worker: ``test`` (the only message with a key), ``turn`` and ``at`` (the time of the slot that it asked for),
``circuit`` (the state of an endpoint), ``ping``.
From a worker: ``test`` with a ``verdict``, an ``error`` or a ``bug``; ``turn`` (asks for a slot); ``saw`` (an answer
that matters to all workers); ``pong``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import convert, structs, to_builtins

from kojikey.model.bugs import BugElsewhere, kind_and_place
from kojikey.model.errors import BadNetworkSettings, KojikeyError, UsageError
from kojikey.model.next_step import Hint, NextCommand
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason, Usage, Verdict
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.definition import Definition
from kojikey.providers.requests.probe_request import ProbeRequest
from kojikey.providers.requests.traffic import Trouble

Message = dict[str, Any]

LONGEST = 1024 * 1024
"""The longest message, in bytes."""
_PACING_HEADERS = ("retry-after", "retry-after-ms", "date")


class Settings(NamedTuple):
    """The first message to a worker: the user's folder of definitions, the time limit of a request, the run's rate."""

    folder: str
    timeout: float
    rate: float | None


def encoded(message: Message) -> bytes:
    """Return the line of a message."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decoded(line: bytes) -> Message:
    """Return the message in a line. Raises ValueError if there is none."""
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(message, dict):
        raise ValueError("not a message")  # noqa: TRY004 - as for a line that is not JSON
    return message


# --- a test ---


def request_message(number: int, request: ProbeRequest, *, is_trial: bool) -> Message:
    """Return the message that asks for a test. ``is_trial``: it may try an endpoint whose circuit is open."""
    return {
        "test": number,
        "provider": request.definition.id,
        "key": request.secret.reveal(),
        "base_url": request.base_url,
        "capabilities": request.capabilities,
        "models": request.models,
        "deep": request.deep,
        "is_trial": is_trial,
    }


def request_of(message: Message, definitions: Mapping[str, Definition]) -> ProbeRequest:
    """Return the test that a message asks for. Raises KeyError if its provider has no definition any more."""
    return ProbeRequest(
        definitions[message["provider"]],
        Secret(message["key"]),
        message["base_url"],
        tuple(message["capabilities"]),
        tuple(message["models"]),
        message["deep"],
    )


def verdict_message(number: int, verdict: Verdict) -> Message:
    """Return the message with the verdict of a test."""
    return {"test": number, "verdict": to_builtins(verdict, enc_hook=_hint_fields)}


def failure_message(number: int, error: Exception) -> Message:
    """Return the message about a test that could not be made; about a bug it has only the kind and place."""
    if not isinstance(error, UsageError):
        return {"test": number, "bug": kind_and_place(error)}
    fields = {
        "is_network": isinstance(error, BadNetworkSettings),
        "message": error.message,
        "hint": _hint_fields(error.hint) if error.hint else None,
        "effect": error.effect,
    }
    return {"test": number, "error": fields}


def verdict_of(message: Message) -> Verdict:
    """Return the verdict in a message.

    Raises:
        UsageError, BadNetworkSettings: as :meth:`.Prober.test`. BugElsewhere: a bug in the worker.
    """
    if "bug" in message:
        raise BugElsewhere(str(message["bug"]))
    if "error" in message:
        raise _error_of(message["error"])
    fields = message["verdict"]
    verdict = convert({**fields, "hint": "", "usage": None}, Verdict)
    usage = None
    if fields["usage"]:
        convert(fields["usage"], Usage)  # a check alone: its result would have each number as a float
        usage = Usage(**fields["usage"])
    return structs.replace(verdict, hint=_hint_of(fields["hint"]), usage=usage)


def _error_of(fields: Message) -> KojikeyError:
    kind = BadNetworkSettings if fields["is_network"] else UsageError
    return kind(
        convert(fields["message"], str),
        hint=_hint_of(fields["hint"]) if fields["hint"] else None,
        effect=convert(fields["effect"], str | None),
    )


def _hint_fields(hint: str) -> str | list[Any]:
    """Return a hint as a list of its texts and commands, any other text unchanged."""
    if not isinstance(hint, Hint):
        return hint
    return [part if isinstance(part, str) else [part.command, part.words, part.account] for part in hint.parts]


def _hint_of(fields: str | list[Any]) -> str:
    if isinstance(fields, str):
        return fields
    parts = convert(fields, list[str | tuple[str, tuple[str, ...], str | None]])
    return Hint(*(part if isinstance(part, str) else NextCommand(*part) for part in parts))


# --- the state that all workers share ---


def circuit_message(provider: str, base_url: str, trouble: Trouble | None) -> Message:
    """Return the message about the state of an endpoint."""
    reason = trouble.reason.value if trouble and trouble.reason else None
    return {"circuit": [provider, base_url], "is_well": trouble is None, "reason": reason}


def trouble_of(message: Message) -> Trouble | None:
    """Return the state of an endpoint in a message."""
    if message["is_well"]:
        return None
    return Trouble(Reason(message["reason"]) if message["reason"] else None)


def saw_message(provider: str, base_url: str, got: Answer | Fault) -> Message:
    """Return the message about an answer, with the parts that the run's pace depends on."""
    message: Message = {"saw": [provider, base_url]}
    if isinstance(got, Fault):
        return message | {"fault": got.reason.value}
    headers = {name: got.headers[name] for name in _PACING_HEADERS if name in got.headers}
    return message | {"status": got.status, "headers": headers}


def seen_of(message: Message) -> Answer | Fault:
    """Return the answer or fault that a message reports."""
    if "fault" in message:
        return Fault(Reason(message["fault"]))
    return Answer(convert(message["status"], int), convert(message["headers"], dict[str, str]), b"")
