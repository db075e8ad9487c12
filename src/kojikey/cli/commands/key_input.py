"""The input of ``add``, ``rotate``, ``set`` and ``test``: the key, and its settings from the options.

Owns: which options of a key make sense. Must not: test or save it.
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
from kojikey.model.timestamps import moment_or_span, now, parsed, span
from kojikey.operations.key_settings import KeySettings
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.key_cleaning import clean

_LONGEST_LABEL = 200


def read_clean_key(context: Context, definition: Definition, catalog: Catalog) -> Secret:
    """Read the key, clean it, and tell what was done to it; on a terminal also how much of it arrived.

    Raises:
        MalformedKey: it cannot be a key of this provider. UsageError: its source cannot be read.
    """
    prompt = f"Create a key at {definition.pages.keys}\n{definition.name} key (hidden): "
    raw = read_key(context.call, context.terminal, prompt=prompt)
    cleaned = clean(raw.reveal(), definition, catalog, force_shape=context.call.get(FORCE_SHAPE))
    for note in cleaned.notes:
        context.terminal.note(note)
    if cleaned.warning:
        context.terminal.warn(cleaned.warning)
    if context.terminal.interactive:
        value = cleaned.secret.reveal()
        from kojikey.model.masking import tail_of

        context.terminal.note(f"{len(value)} characters received: {context.terminal.masked(tail_of(value))}")
    return cleaned.secret


def settings_of(context: Context, definition: Definition) -> KeySettings:
    """Return the settings that the options give for a key that is saved now.

    Raises:
        UsageError: one of them makes no sense.
    """
    rotate_after = rotate_after_of_new(context.call, context.terminal)
    return replace(changes_of(context, definition), rotate_after_days=rotate_after)


def changes_of(context: Context, definition: Definition) -> KeySettings:
    """Return the settings that the options give, without saying what ``--rotate-after`` means for the key.

    Raises:
        UsageError: one of them makes no sense.
    """
    call = context.call
    base_url, label, expires = call.get(BASE_URL), call.get(LABEL), call.get(EXPIRES)
    capabilities = checked_capabilities(call, definition)
    return KeySettings(
        base_url=base_url_of(base_url, definition, context.terminal.note) if base_url is not None else None,
        models=tuple(dict.fromkeys(map(definition.checked_model, call.get(MODEL)))) or None,
        capabilities=capabilities or None,
        label=checked_label(label),
        expires_at=expiry(expires, context.terminal) if expires is not None else None,
        rotate_after_days=rotate_after_days(call.get(ROTATE_AFTER)),
    )


def checked_capabilities(call: Call, definition: Definition) -> tuple[str, ...]:
    """Return what ``--capability`` names, ``()`` where it names nothing.

    Raises:
        UsageError: the provider has no such capability.
    """
    named = call.get(CAPABILITY)
    return definition.checked_capabilities(named) if named else ()


def base_url_of(text: str, definition: Definition, tell: Callable[[str], None]) -> str:
    """Return the base URL that was given, and tell what was taken off its end.

    Raises:
        UsageError: it is not one.
    """
    base_url, removed = definition.base_url_from(text)
    if removed:
        tell(
            f"{removed} was removed from the end of the base URL, because kojikey adds it itself; it is now {base_url}"
        )
    return base_url


def expiry(text: str, terminal: Terminal) -> str:
    """Return the stamp that ``--expires`` gives; one that has passed is likely a slip, and said to be one.

    Raises:
        UsageError: it is no moment.
    """
    moment = moment_or_span(text, what="--expires")
    if moment <= now():
        terminal.warn(f"--expires {moment} has passed: the key will count as expired")
    else:
        terminal.note(f"--expires: the key counts as expired from {moment} on")
    return moment


def checked_label(label: str | None) -> str | None:
    """Return a label as it is.

    Raises:
        UsageError: it is too long, or cannot be displayed.
    """
    if label is not None and (len(label) > _LONGEST_LABEL or not label.isprintable()):
        raise UsageError(
            f"a label has at most {_LONGEST_LABEL} printable characters",
            hint="--label production",
            effect=Effect.NOTHING_CHANGED,
        )
    return label


def rotate_after_days(text: str | None) -> int | None:
    """Return the days that ``--rotate-after`` gives, 0 for never, None where it was not given.

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
    moment_or_span(f"{days}d", what="--rotate-after")  # a date that the calendar has
    return days


def rotate_after_of_new(call: Call, terminal: Terminal) -> int | None:
    """Return the days that ``--rotate-after`` gives for a key that is saved now, and say the date.

    Raises:
        UsageError: as :func:`rotate_after_days`.
    """
    days = rotate_after_days(call.get(ROTATE_AFTER))
    if days:
        tell_next_rotation(terminal, now(), days)
    return days


def tell_next_rotation(terminal: Terminal, created_at: str, days: int) -> None:
    """Say what ``--rotate-after`` means for a value that was saved then."""
    due = parsed(created_at) + timedelta(days=days)
    terminal.note(f"--rotate-after: the next rotation is due on {due:%Y-%m-%d}")


def refuse_batch_options(call: Call) -> None:
    """Check that no option that belongs to a batch was given without one.

    Raises:
        UsageError: one was.
    """
    for option in call.given(*BATCH_OPTIONS):
        again = next_step(call.command.name, "--batch", "FILE", option.spelling)
        modes = "--batch or --due" if call.command.name == "rotate" else "--batch"
        raise UsageError(f"{option.spelling} is for {modes}", hint=again, effect=Effect.NOTHING_CHANGED)
