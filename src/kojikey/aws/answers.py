"""Distinguishes answers of AWS from those of another server in its place, for example a login page or a proxy.

Must not: repeat any part of an answer.
"""

from __future__ import annotations

import json
from typing import Any

_JSON = "json"  # the protocol of DynamoDB and of KMS; STS and others have their own


class ForeignAnswer(Exception):
    """The answer is not one of the AWS service. The error repeats nothing of it."""


def member(answer: Any, *names: str) -> Any:
    """Return a required member of an answer; several names are the path to a nested one.

    Raises:
        ForeignAnswer: the answer does not have it.
    """
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
        if answer is None:
            raise ForeignAnswer
    return answer


class Parsers:
    """botocore's factory of parsers, with parsers that refuse foreign answers.

    botocore parses an HTML page with status 200 as an answer without members, which would mean an empty table, and
    raises errors of many kinds for JSON of another form.
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
            raise ForeignAnswer from None  # the error's text may contain a part of the answer and thus a data key


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
