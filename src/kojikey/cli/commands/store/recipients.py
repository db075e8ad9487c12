"""``kojikey store recipients``: lists, adds and removes the people who can open a store with KEK ``recipients``."""

from __future__ import annotations

from kojikey.cli.command import Arguments, Call, Command
from kojikey.cli.commands.store.recipient_input import RECIPIENT, read_recipients
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import STORE_OPTIONS, YES
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.store_admin.recipients import Acceptance, ReadableKey, RecipientRow
    from kojikey.sealing.kek.age_recipients import Recipient
    from kojikey.sealing.kek.base import KekInputs

WORDS = Arguments(
    "words",
    "[add R | remove R | accept]",
    "what to do; lists them without it",
    complete="choices:add remove accept",
)

_FORMS = Hint(next_step("store recipients", "add", "RECIPIENT"), ", remove RECIPIENT, or accept")


def recipients(call: Call) -> int:
    """Run ``kojikey store recipients`` with one of its actions, and return the exit code."""
    words = call[WORDS]
    action = words[0] if words else "list"
    if action not in _ACTIONS:
        raise UsageError("store recipients takes add, remove or accept", hint=_FORMS, effect=Effect.NOTHING_CHANGED)
    from kojikey import wiring

    context = context_of(call)
    _check_words(action, words[1:])
    named = _named(action, words[1:])
    open_store = wiring.open_existing(context.settings, context.person)
    inputs = wiring.kek_inputs(context.settings, context.person)._replace(
        actor=open_store.actor, recipients=(*read_recipients(call[RECIPIENT]), *named)
    )
    return _ACTIONS[action](context, open_store, inputs, " ".join(words[1:]))


def _check_words(action: str, words: tuple[str, ...]) -> None:
    if bool(words) != (action in ("add", "remove")):
        raise UsageError(
            f"store recipients {action} takes {_TAKES[action]}", hint=_FORMS, effect=Effect.NOTHING_CHANGED
        )


_TAKES = {"list": "nothing more", "accept": "nothing more", "add": "a recipient", "remove": "a recipient"}


def _named(action: str, words: tuple[str, ...]) -> tuple[Recipient, ...]:
    """Return the recipients to add; the words of a public key that was typed without quotes are joined."""
    if action != "add":
        return ()
    return read_recipients(words if all(word.startswith("@") for word in words) else (" ".join(words),))


def _list(context: Context, open_store: OpenStore, inputs: KekInputs, _: str) -> int:
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.recipients import list_recipients

    rows = list_recipients(open_store, inputs)
    if context.terminal.json:
        kid = str(open_store.header["kek"]["kid"])
        return documents.write("store recipients", 0, list(map(_row_fields, rows)), kek_id=kid)
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    cells = [
        (
            row.added_at[:10],
            row.added_by,
            f"{row.recipient.comment} (you)".lstrip() if row.is_own else row.recipient.comment,
            row.recipient.text,
        )
        for row in rows
    ]
    page.table(("ADDED", "BY", "COMMENT", "RECIPIENT"), cells)
    return 0


def _row_fields(row: RecipientRow) -> Document:
    return {**_recipient_fields(row.recipient), "added_by": row.added_by, "added_at": row.added_at, "own": row.is_own}


def _recipient_fields(recipient: Recipient) -> Document:
    return {"recipient": recipient.text, "comment": recipient.comment or None}


def _add(context: Context, open_store: OpenStore, inputs: KekInputs, _: str) -> int:
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin import recipients as operation

    added = _named("add", context.call[WORDS][1:])
    operation.add(open_store, added, inputs)
    if context.terminal.json:
        return documents.write(
            "store recipients", 0, [{**_recipient_fields(recipient), "action": "added"} for recipient in added]
        )
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    for recipient in added:
        page.line(f"{recipient.name} can now open {open_store.store.place}")
    return 0


def _remove(context: Context, open_store: OpenStore, inputs: KekInputs, named: str) -> int:
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin import recipients as operation

    try:
        gone, result = operation.remove(open_store, _recipient_or_comment(named), inputs)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; every key still opens, and the recipient to be removed may still read them: run the same "
            "command again to finish"
        ) from None
    keys = operation.readable_keys(open_store)
    if context.terminal.json:
        fields = {**_recipient_fields(gone), "action": "removed", "kek": result.kek, "resumed": result.resumed}
        fields |= {"rewrapped": result.rewrapped, "already": result.already}
        fields |= {"keys": [_key_fields(context, key) for key in keys]}
        return documents.write("store recipients", 0, [fields])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(
        f"{gone.name} can no longer open {open_store.store.place}, which has a new key-encryption key: {result.kek}"
    )
    page.line(f"accounts wrapped anew: {result.rewrapped}, done before: {result.already}", indent=2)
    cells = [(key.account, key.provider, _masked(context, key), _rotation(context, key)) for key in keys]
    if cells:
        page.line(
            "the person who left could have read these keys, and may have kept them: rotate each, then revoke the "
            "old one",
            indent=2,
        )
        page.table(("ACCOUNT", "PROVIDER", "KEY", "TO ROTATE IT"), cells)
    return 0


def _recipient_or_comment(named: str) -> str:
    """Return the recipient or comment to remove; for ``@FILE`` the one recipient in the file.

    Raises:
        UsageError: the file has not exactly one recipient.
    """
    if not named.startswith("@"):
        return named
    found = read_recipients((named,))
    if len(found) != 1:
        raise UsageError("remove one recipient at a time", hint=_FORMS, effect=Effect.NOTHING_CHANGED)
    return found[0].text


def _masked(context: Context, key: ReadableKey) -> str:
    return "damaged" if key.tail is None else context.terminal.masked(key.tail)


def _key_fields(context: Context, key: ReadableKey) -> Document:
    from kojikey.model.masking import mask

    masked = None if key.tail is None else mask(key.tail)
    fields = {"account": key.account, "provider": key.provider, "masked": masked}
    return fields | {"command": _rotation(context, key)}


def _rotation(context: Context, key: ReadableKey) -> str:
    from kojikey.model.plain_text import shown

    command = next_step("rotate", shown(key.provider), "--account", shown(key.account))
    return context.terminal.completed(command, account=key.account)


def _accept(context: Context, open_store: OpenStore, _inputs: KekInputs, _: str) -> int:
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin import recipients as operation

    found = operation.found_kek(open_store)
    if found.is_news:
        _confirm(context, open_store, found)
        operation.accept(open_store, found)
    action = "accepted" if found.is_news else "unchanged"
    if context.terminal.json:
        fields = {"action": action, "kek_id": found.kid, "known": found.known, "kek": found.described}
        return documents.write("store recipients", 0, [fields])
    from kojikey.cli.output.page import Page

    word = (
        "is now the known one on this machine"
        if found.is_news
        else "is already the known one on this machine; nothing was changed"
    )
    Page(context.terminal).line(f"the key-encryption key {found.kid} of {open_store.store.place} {word}")
    return 0


def _confirm(context: Context, open_store: OpenStore, found: Acceptance) -> None:
    """Ask whether to trust the new KEK.

    Raises:
        InputNeeded: no question is allowed. UsageError: the answer was no.
    """
    if context.call[YES]:
        return
    known = f"{found.known} is known here, and " if found.known else ""
    question = f"{known}{open_store.store.place} has the key-encryption key {found.kid} ({found.described}). Trust it?"
    if not context.terminal.confirm(question, otherwise=next_step("store recipients", "accept", "--yes")):
        raise UsageError(
            "it was not accepted", hint=next_step("store recipients", "accept"), effect=Effect.NOTHING_CHANGED
        )


_ACTIONS = {"list": _list, "add": _add, "remove": _remove, "accept": _accept}

COMMANDS = (
    Command(
        "store recipients",
        "list, add and remove the people who open a store",
        recipients,
        options=(
            *STORE_OPTIONS,
            RECIPIENT.with_help("remove: a recipient to keep whose public key needs a plugin; may be repeated"),
            YES.with_help("accept: do not ask"),
        ),
        arguments=(WORDS,),
        description="For a store whose KEK is sealed to several people (store init --kek recipients). R is an age "
        "recipient, an SSH public key or @FILE. `remove` creates a new KEK, wraps every account's data key with it, "
        "and "
        "lists the provider keys that the person who left could have read. `accept` takes a KEK that is not known "
        "here.",
        examples=(
            "kojikey store recipients",
            "kojikey store recipients add @bob.pub",
            "kojikey store recipients remove bob@laptop",
        ),
    ),
)
