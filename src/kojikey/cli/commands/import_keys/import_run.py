"""One run of ``kojikey import``: each key is cleaned, gets its base URL, and is tested and saved on its own.

Owns: the questions (about a base URL before all tests, about a verdict after all of them), and the result of each key.
Must not: read a source, or print a result.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kojikey.cli.commands import change_output
from kojikey.cli.commands.change_output import option_allowing
from kojikey.cli.commands.import_keys.non_keys import non_url_kind
from kojikey.cli.commands.import_keys.options import ROTATE
from kojikey.cli.commands.import_keys.plan import Row, place_of, shown_name
from kojikey.cli.commands.import_keys.sources import Source
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit, code_of, hint_of
from kojikey.cli.options import FORCE_SHAPE, NO_TEST
from kojikey.cli.output.advice import for_unsaved, with_advice
from kojikey.model.errors import Conflict, KekMissing, KekUnavailable, KeyExists, KojikeyError, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.masking import tail_of
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.verdict import Verdict
from kojikey.operations import importing
from kojikey.operations.adding import Destination, NewKey
from kojikey.operations.importing import Import
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.rotating_many import RunSettings
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.index import IndexEntry
from kojikey.providers.key_cleaning import clean

_ORIGIN = re.compile(r"https?://[^/]+")


@dataclass(slots=True)
class ImportRun:
    """The state of one run over all rows. ``error`` or ``is_interrupted`` is set if it was stopped."""

    context: Context
    catalog: Catalog
    rows: Sequence[Row]
    is_dry_run: bool
    error: KojikeyError | None = None
    is_interrupted: bool = False
    is_new_account: bool = False
    items: list[tuple[Row, Import]] = field(default_factory=list)

    def prepare(self, sources: Sequence[Source], index: dict[str, IndexEntry]) -> None:
        """Clean each key and set its base URL."""
        for row in self._undecided():
            definition = self.catalog.get(str(row.provider))
            try:
                self._clean(row, definition)
                self._set_base_url(row, definition, index[definition.id], sources)
            except KojikeyError as error:
                row.fail(error, code_of(error))
                row.hint = row.hint or hint_of(error, command="import")

    def _undecided(self) -> Iterator[Row]:
        """Return the rows that have no result yet."""
        return (row for row in self.rows if row.action is None)

    def _clean(self, row: Row, definition: Definition) -> None:
        assert row.binding.value is not None  # noqa: S101 - the plan refused such a row
        force = self.context.call[FORCE_SHAPE]
        cleaned = clean(row.binding.value.reveal(), definition, self.catalog, force_shape=force)
        row.secret, row.tail = cleaned.secret, tail_of(cleaned.secret.reveal())
        if cleaned.warning:
            self.context.terminal.warn(f"{shown_name(row.binding)}: {cleaned.warning}")

    def _set_base_url(self, row: Row, definition: Definition, entry: IndexEntry, sources: Sequence[Source]) -> None:
        """Set the base URL that the same source has under the name of the provider's SDK.

        Raises:
            UsageError: it is not a base URL.
        """
        name = entry.base_url_env
        given = _last_value(sources, row.binding.file, name) if name else None
        if not given:
            return
        if kind := non_url_kind(given):
            row.refuse(f"its base URL, {name}, is {kind}", f"put the URL itself under {name}")
            return
        base_url, _ = definition.base_url_from(given)  # without a note: the SDK's form always has the version's path
        if base_url != definition.base_url:
            row.base_url = base_url

    def _check_place(self, row: Row, definition: Definition, base_url: str) -> None:
        """Refuse a key that is to be saved without a base URL; ask about one whose host is not the provider's."""
        name = definition.base_url_env
        if not base_url:
            row.refuse(
                f"{definition.id} needs its own base URL, and {name or 'none'} is not set next to the key",
                next_step("add", definition.id, "--base-url", definition.base_url_form),
            )
        elif row.base_url and not _is_own_host(base_url, definition):
            self._ask_about_host(row, definition, name)

    def _ask_about_host(self, row: Row, definition: Definition, name: str) -> None:
        """Ask whether to send a key to a host that is not its provider's; refuse it if no question is allowed."""
        terminal, base_url = self.context.terminal, str(row.base_url)
        host = "another host" if looks_like_key(base_url) else f"{_origin(base_url)}, which is"
        detail = f"{name} sends it to {host} not a host of {definition.company}"
        hint = next_step("add", definition.id, "--base-url", "URL" if looks_like_key(base_url) else base_url)
        if self.is_dry_run or not terminal.interactive:
            row.refuse(f"{detail}, and {'--dry-run does not ask' if self.is_dry_run else terminal.why_unasked}", hint)
        elif not terminal.confirm(
            f"{shown_name(row.binding)} ({place_of(row.binding)}): {detail}. Take it?", otherwise=hint
        ):
            row.refuse(detail, hint)

    def plan(self) -> None:
        """Set the result that each key would have, without asking or changing anything."""
        from kojikey import wiring

        open_store = wiring.open_chosen_store(self.context.settings, self.context.person, may_ask=False)
        self._compare(open_store)
        for row, item in self.items:
            if isinstance(item.error, (KekMissing, KekUnavailable)):
                row.action, row.code = "exists", Exit.CONFLICT
                row.detail = (
                    "the account has a key; without the key-encryption key kojikey cannot tell whether it is the same"
                )
            elif item.error is not None:
                self._set_outcome(row, item)
            else:
                row.action = {"add": "added", "unchanged": "unchanged"}.get(str(item.intent), "rotated")

    def save(self) -> None:
        """Test and save each key."""
        from kojikey import wiring

        if next(self._undecided(), None) is None:
            return
        context = self.context
        open_store = wiring.open_chosen_store(context.settings, context.person)
        destination = wiring.prepare_destination(open_store, context.settings, context.person, account=context.account)
        self.is_new_account = not open_store.has_account(context.account)
        try:
            self._compare(open_store)
            if any(item.needs_saving for _, item in self.items):
                self._check_network()
                asyncio.run(self._save_all(destination))
                self._ask_undecided(destination)
        except KeyboardInterrupt:
            self.is_interrupted = True
        except KojikeyError as error:
            self.error = error
        for row, item in self.items:
            if item.result is None and item.error is None and self.is_interrupted:
                item.result = importing.left_staged(destination.open_store, item)
            self._set_outcome(row, item)
        for row in self._undecided():
            row.refuse("kojikey stopped before it; nothing was sent or saved", code=Exit.OK)

    def _check_network(self) -> None:
        from kojikey import wiring

        if not self.context.call[NO_TEST]:
            for _, item in self.items:
                if item.needs_saving:
                    wiring.check_network(item.base_url)

    def _compare(self, open_store: OpenStore) -> None:
        """Decide for each key whether it is new, saved already, or another one than the account has."""
        for row in self._undecided():
            assert row.secret is not None  # noqa: S101 - a row without one was refused
            definition = self.catalog.get(str(row.provider))
            target = Target(definition.id, row.base_url or definition.base_url, (), definition.default_capabilities)
            item = Import(NewKey(self.context.account, target, row.secret, KeySettings(base_url=row.base_url)))
            importing.intend(open_store, item, may_rotate=self.context.call[ROTATE])
            if item.needs_saving:
                self._check_place(row, definition, item.base_url)
            if row.action is None:
                self.items.append((row, item))

    def _approve_by_options(self, verdict: Verdict) -> bool:
        """Return whether an option saves a key with this verdict; the person is asked after all tests."""
        return self.context.call[option_allowing(verdict)]

    async def _save_all(self, destination: Destination) -> None:
        from kojikey import wiring
        from kojikey.cli.commands.key_probe import open_probe
        from kojikey.cli.commands.test.run_options import RunOptions

        context, terminal = self.context, self.context.terminal
        items = [item for _, item in self.items if item.needs_saving]
        options = RunOptions.read(context.call)
        if context.call[NO_TEST]:
            await importing.import_all(
                destination, items, RunSettings(None, self._approve_by_options, options.concurrency)
            )
            return
        traffic = options.traffic(tell=terminal.warn)
        proxies = wiring.proxies(terminal.warn)
        with terminal.status(f"asking {counted(len(items), 'provider')} about the keys"):
            async with open_probe(context, self.catalog, proxies, tell=terminal.warn, traffic=traffic) as probe:
                settings = RunSettings(probe, self._approve_by_options, options.concurrency, traffic.reserve)
                await importing.import_all(destination, items, settings)

    def _ask_undecided(self, destination: Destination) -> None:
        """Ask about each key that is limited or could not be judged, if questions are allowed."""
        from kojikey.cli.commands.key_probe import run_operation

        if not self.context.terminal.interactive:
            return
        for row, item in self.items:
            if item.undecided is None:
                continue
            provider = str(row.provider)
            advice = for_unsaved(provider, has_key=item.intent != "add")
            self.context.terminal.note(f"{shown_name(row.binding)} ({place_of(row.binding)})")
            approve = change_output.Approval(self.context, saving=f"save the {provider} key", advice=advice)
            run_operation(importing.finish(destination, item, approve))

    def _set_outcome(self, row: Row, item: Import) -> None:
        """Set the result of a row from its import."""
        error, result = item.error, item.result
        if error is not None:
            row.fail(error, code_of(error))
            row.hint = hint_of(error, command="import")
            if isinstance(error, Conflict):
                row.action = "exists"
            if isinstance(error, KeyExists):
                row.hint = Hint("--rotate replaces it; ", row.hint)
        elif result is not None:
            self._set_result(row, item)

    def _set_result(self, row: Row, item: Import) -> None:
        assert item.result is not None  # noqa: S101 - the caller checked it
        advice = for_unsaved(str(row.provider), has_key=item.intent != "add")
        row.result = result = with_advice(item.result, advice, self.context.terminal)
        row.action, row.code = result.action or "refused", change_output.exit_of(result)
        if result.action == "aborted":
            row.action = "refused"
        verdict = result.verdict
        if row.action in ("refused", "staged") and verdict is not None:
            row.detail = verdict.detail or verdict.reason.value
            row.hint = verdict.hint
        if row.action == "staged":
            resume, abort = (next_step("rotate", str(row.provider), step) for step in ("--resume", "--abort"))
            row.hint = Hint(resume, ", or ", abort)


def _last_value(sources: Sequence[Source], file: str | None, name: str) -> str | None:
    """Return the last value of a name in the source ``file``, None if it has none."""
    found = [
        binding.value.reveal().strip()
        for source in sources
        for binding in source.bindings
        if binding.file == file and binding.name == name and binding.value is not None
    ]
    return found[-1] if found else None


def _is_own_host(base_url: str, definition: Definition) -> bool:
    """Return whether a base URL has a host of the provider."""
    if any(_origin(url) == _origin(base_url) for url in definition.base_urls.values()):
        return True
    form = re.escape(_origin(definition.base_url_form)) if definition.base_url_form else ""
    return bool(form) and re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[A-Za-z0-9-]+", form), _origin(base_url)) is not None


def _origin(url: str) -> str:
    found = _ORIGIN.match(url)
    if found is None:
        raise UsageError("that is not a base URL")
    return found[0]
