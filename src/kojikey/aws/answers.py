"""Distinguishes AWS's answers from those of anything else in its place: a portal, a proxy, another server.

Owns: that check, before an answer is used. Must not: repeat any part of an answer.
"""

from __future__ import annotations

import json
from typing import Any

_JSON = "json"  # the protocol of DynamoDB and of KMS; STS and others have their own


class ForeignAnswer(Exception):
    """An answer that the service would not give. It repeats nothing."""


def part(answer: Any, *names: str) -> Any:
    """Return a member of an answer (of a member of it, and so on) that the service never leaves out.

    Raises:
        ForeignAnswer: it is not there.
    """
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
        if answer is None:
            raise ForeignAnswer
    return answer


class Parsers:
    """botocore's makers of parsers, whose parsers take nothing for an answer that is none.

    botocore takes a page of HTML with status 200 for an answer without members, which of a table means that it is
    empty, and stumbles over JSON of another form with whichever error comes.
    """

    def __init__(self, parsers: Any) -> None:
        self._parsers = parsers

    def set_parser_defaults(self, **defaults: Any) -> None:
        """See ``botocore.parsers.ResponseParserFactory``."""
        self._parsers.set_parser_defaults(**defaults)

    def create_parser(self, protocol: str) -> _Parser:
        """See ``botocore.parsers.ResponseParserFactory``."""
        return _Parser(self._parsers.create_parser(protocol), protocol)


class _Parser:
    def __init__(self, parser: Any, protocol: str) -> None:
        self._parser, self._protocol = parser, protocol

    def parse(self, response: Any, shape: Any) -> Any:
        has_members = self._protocol == _JSON and shape is not None and response["status_code"] < 300
        if has_members and not _is_object(response["body"]):
            raise ForeignAnswer
        try:
            return self._parser.parse(response, shape)
        except Exception:
            raise ForeignAnswer from None  # the error's text may hold some of the answer, and that a data key


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
