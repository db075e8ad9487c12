"""The input of ``add``, ``rotate``, ``set`` and ``test``: the key, and its settings from the options.

Owns: the checks of these options. Must not: test or save a key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from kojikey.cli.command import Call
from kojikey.cli.context import Context
from kojikey.cli.options import (
    BASE_URL,
    BATCH_OPTIONS,
    CAPABILITY,
    EXPIRES,
    FORCE_SHAPE,
    LABEL,
    MODEL,
    ROTATE_AFTER,
)
from kojikey.cli.output.terminal import Terminal
from kojikey.cli.prompts import read_key
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import next_step
from kojikey.model.secret import Secret
from kojikey.model.timestamps import later, moment_or_span, now, parsed, span
from kojikey.operations.key_settings import KeySettings
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition

_LONGEST_LABEL = 200


def read_clean_key(context: Context, definition: Definition, catalog: Catalog) -> Secret:
    """Return the key after removing what was pasted around it; notes report that and, on a terminal, its length.

    Raises:
        MalformedKey: it cannot be a key of this provider. UsageError: its source cannot be read.
        InputNeeded: no source is named, and no question is allowed.
    """
    from kojikey.providers.key_cleaning import clean

    prompt = f"Create a key at {definition.pages.keys}\n{definition.name} key (hidden): "
    raw = read_key(context.call, context.terminal, prompt=prompt)
    cleaned = clean(
        raw.reveal(), definition, catalog, force_shape=context.call.get(FORCE_SHAPE), command=context.call.command.name
    )
    for note in cleaned.notes:
        context.terminal.note(note)
    if cleaned.warning:
        context.terminal.warn(cleaned.warning)
    if context.terminal.interactive:
        value = cleaned.secret.reveal()
        from kojikey.model.masking import tail_of

        context.terminal.note(f"{len(value)} characters received: {context.terminal.masked(tail_of(value))}")
    return cleaned.secret


def read_key_settings(context: Context, definition: Definition) -> KeySettings:
    """Return the settings of a new key or version from the options, and print when its next rotation is due.

    Raises:
        UsageError: the provider does not allow a value, or it is malformed.
    """
    rotate_after = read_rotate_after(context.call, context.terminal)
    return replace(read_changed_settings(context, definition), rotate_after_days=rotate_after)


def read_changed_settings(context: Context, definition: Definition) -> KeySettings:
    """Return the settings from the options; a setting without an option is None.

    Raises:
        UsageError: the provider does not allow a value, or it is malformed.
    """
    call = context.call
    base_url, label, expires = call.get(BASE_URL), call.get(LABEL), call.get(EXPIRES)
    capabilities = checked_capabilities(call, definition)
    return KeySettings(
        base_url=read_base_url(base_url, definition, context.terminal.note) if base_url is not None else None,
        models=tuple(dict.fromkeys(map(definition.checked_model, call.get(MODEL)))) or None,
        capabilities=capabilities or None,
        label=checked_label(label),
        expires_at=read_expiry(expires, context.terminal) if expires is not None else None,
        rotate_after_days=_rotate_after_days(call.get(ROTATE_AFTER)),
    )


def checked_capabilities(call: Call, definition: Definition) -> tuple[str, ...]:
    """Return the values of ``--capability``, ``()`` if there are none.

    Raises:
        UsageError: the provider has no such capability.
    """
    named = call.get(CAPABILITY)
    return definition.checked_capabilities(named) if named else ()


def read_base_url(text: str, definition: Definition, tell: Callable[[str], None]) -> str:
    """Return a base URL without the version path at its end; ``tell`` receives a note if one was removed.

    Raises:
        UsageError: it is not a base URL.
    """
    base_url, removed = definition.base_url_from(text)
    if removed:
        tell(
            f"{removed} was removed from the end of the base URL, because kojikey adds it itself; it is now {base_url}"
        )
    return base_url


def read_expiry(text: str, terminal: Terminal) -> str:
    """Return the time of ``--expires`` (RFC 3339), and print it; a time that has passed is probably a mistake: warn.

    Raises:
        UsageError: it is neither a date nor a span.
    """
    moment = moment_or_span(text, what="--expires")
    if moment <= now():
        terminal.warn(f"--expires {moment} has passed: the key will count as expired")
    else:
        terminal.note(f"--expires: the key counts as expired from {moment} on")
    return moment


def checked_label(label: str | None) -> str | None:
    """Return a label unchanged.

    Raises:
        UsageError: it is too long, or has a character that cannot be printed.
    """
    if label is not None and (len(label) > _LONGEST_LABEL or not label.isprintable()):
        raise UsageError(
            f"a label has at most {_LONGEST_LABEL} printable characters",
            hint="--label production",
            effect=Effect.NOTHING_CHANGED,
        )
    return label


def _rotate_after_days(text: str | None) -> int | None:
    """Return the days of ``--rotate-after``, 0 for never, None without the option.

    Raises:
        UsageError: it is neither a span of days nor ``never``.
    """
    if text is None:
        return None
    if text == "never":
        return 0
    days = span(text, what="--rotate-after").days
    if not days:
        hint = "--rotate-after 90d, or never"
        raise UsageError("--rotate-after takes a day or more, or never", hint=hint, effect=Effect.NOTHING_CHANGED)
    moment_or_span(f"{days}d", what="--rotate-after")  # refuses a span that ends after the calendar does
    return days


def read_rotate_after(call: Call, terminal: Terminal) -> int | None:
    """Return the days of ``--rotate-after`` for a key that is saved now, and print the date.

    Returns 0 for never, None without the option.

    Raises:
        UsageError: it is neither a span of days nor ``never``.
    """
    days = _rotate_after_days(call.get(ROTATE_AFTER))
    if days:
        note_next_rotation(terminal, now(), days)
    return days


def note_next_rotation(terminal: Terminal, created_at: str, days: int) -> None:
    """Print when the next rotation is due for a version that was created at ``created_at`` (RFC 3339)."""
    due = later(parsed(created_at), timedelta(days=days))
    terminal.note(f"--rotate-after: the next rotation is due on {due:%Y-%m-%d}")


def refuse_batch_options(call: Call) -> None:
    """Refuse the options of a batch on a command line without ``--batch``.

    Raises:
        UsageError: it has such an option.
    """
    for option in call.given(*BATCH_OPTIONS):
        again = next_step(call.command.name, "--batch", "FILE", *option.example)
        modes = "--batch or --due" if call.command.name == "rotate" else "--batch"
        raise UsageError(f"{option.spelling} is for {modes}", hint=again, effect=Effect.NOTHING_CHANGED)
