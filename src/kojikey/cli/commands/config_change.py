"""Shared by the commands that change config.toml: checks the default store, and reports the change."""

from __future__ import annotations

from kojikey.cli.context import Context
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.config.settings import LOCAL
from kojikey.model.errors import Effect, StoreNotFound
from kojikey.model.next_step import next_step
from kojikey.model.ref import Document


def show_change(
    context: Context, command: str, fields: Document, *, is_changed: bool, damage: DamagedRecords | None = None
) -> int:
    """Report a change of config.toml, and return the exit code, which is that of ``damage`` if there is any."""
    from kojikey.cli.output import documents
    from kojikey.cli.output.stdout import write_line

    file, code = context.settings.home.config_file, int(damage.code) if damage else 0
    if context.terminal.json:
        rows = [{"action": "changed" if is_changed else "unchanged", **fields, "path": file}]
        return documents.write(command, code, rows, error=damage.error if damage else None)
    state = f"{fields['name']} is {fields['value']}" if fields["value"] is not None else f"{fields['name']} is not set"
    if not context.terminal.quiet:
        write_line(f"{state} now, in {file}" if is_changed else f"{state} already; {file} was not changed")
    return code


def check_store(context: Context, value: str) -> None:
    """Check that ``value`` can be the default store: a name in config.toml, or a URL.

    Raises:
        StoreNotFound: config.toml has no such name; it is not repeated. UsageError: it is not the URL of a store.
    """
    from kojikey.stores.registry import store_from_url

    known = {LOCAL, *context.settings.config.get("stores", {})}
    if "://" in value:
        store_from_url(value)
    elif value not in known:
        file, names = context.settings.home.config_file, ", ".join(sorted(known))
        raise StoreNotFound(
            "",
            f"there is no store of that name in {file} (known: {names})",
            hint=next_step("store init", "URL", "--name", "NAME", "--kek", "SOURCE"),
            effect=Effect.NOTHING_CHANGED,
        )
