"""The texts of a finding: templates, of the definition or ours, filled in from the answer and scrubbed.

Pure. Must not: decide what an answer means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from kojikey.model.next_step import Hint, next_step
from kojikey.providers.answers.evidence import Answer, Evidence
from kojikey.providers.answers.finding import Subject
from kojikey.providers.definition import PLACEHOLDER, filled

_COMMAND = re.compile(r"\{(rotate|test)\}")
_NO_HINT = Hint()
_BEFORE_SIGN = re.compile(r"\s+([,;:])")


class Values:
    """The values of a template's placeholders, each computed only when it is used: scrubbing is expensive."""

    __slots__ = ("answer", "evidence", "permissions", "subject")

    def __init__(
        self, subject: Subject, answer: Answer | None, evidence: Evidence, permissions: tuple[str, ...]
    ) -> None:
        self.subject, self.answer, self.evidence, self.permissions = subject, answer, evidence, permissions

    def get(self, name: str, default: str, /) -> str:
        """Return the value of a placeholder."""
        kind, _, member = name.partition(".")
        if kind == "metadata":
            value = self.evidence.metadata.get(member)
            return default if value is None else self.subject.scrub(value)
        make = _VALUES.get(name)
        return default if make is None else make(self)

    @property
    def message(self) -> str:
        """The provider's first message."""
        return self.subject.scrub(self.evidence.messages[0]) if self.evidence.messages else ""

    @property
    def lacking(self) -> str:
        """The permissions that the key lacks, in words."""
        named = " and ".join(self.permissions)
        return f"permission{'s' if len(self.permissions) > 1 else ''} {named}" if named else "permission for this"

    @property
    def retired(self) -> str:
        """The sentence about the key format that the provider stops accepting, ``""`` if it has no such format."""
        return next((shape.retired for shape in self.subject.definition.shapes if shape.retired), "")


_VALUES: Mapping[str, Callable[[Values], str]] = {
    "id": lambda values: values.subject.definition.id,
    "name": lambda values: values.subject.definition.name,
    "company": lambda values: values.subject.definition.company,
    "retired": lambda values: values.retired,
    "keys": lambda values: values.subject.definition.pages.keys,
    "usage": lambda values: values.subject.definition.pages.usage,
    "spending_limit": lambda values: values.subject.definition.pages.spending_limit,
    "billing": lambda values: values.subject.definition.pages.billing,
    "model": lambda values: values.subject.scrub(values.subject.model) or "that was requested",
    "status": lambda values: str(values.answer.status) if values.answer else "",
    "message": lambda values: values.message,
    "permissions": lambda values: values.lacking,
}


def sentence(templates: tuple[str, str], values: Values) -> str:
    """Return the first template filled in, or the second if the answer lacks a value for the first."""
    # an empty placeholder at an end leaves punctuation behind, and a provider's message may end in a full stop
    return _text(_chosen(templates, values), values).strip(" :;.")


def hint_of(templates: tuple[str, str], values: Values) -> Hint:
    """Return the template filled in as :func:`sentence` does; ``{rotate}`` and ``{test}`` become commands for the key.

    The commands are for a saved key; the caller replaces them if the key is not saved.
    """
    template = _chosen(templates, values)
    if not template:
        return _NO_HINT
    pieces = _COMMAND.split(template)
    pieces[::2] = [_text(piece, values) for piece in pieces[::2]]
    pieces[0], pieces[-1] = pieces[0].lstrip(" :;."), pieces[-1].rstrip(" :;.")
    commands = (next_step(name, values.subject.definition.id) for name in pieces[1::2])
    texts = iter(pieces[::2])
    parts = [next(texts), *(part for command, text in zip(commands, texts, strict=True) for part in (command, text))]
    return Hint(*(part for part in parts if part))


def _chosen(templates: tuple[str, str], values: Values) -> str:
    own, default = templates
    if not own:
        return default
    needed = [name for name in PLACEHOLDER.findall(own) if name == "message" or name.startswith("metadata.")]
    return own if all(values.get(name, "") for name in needed) else default


def _text(template: str, values: Values) -> str:
    return _BEFORE_SIGN.sub(r"\1", filled(template, values)) if template else ""  # the texts of most valid keys
