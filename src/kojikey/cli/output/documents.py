"""Builds the JSON documents of ``docs/json.md`` from results. Needs no rich, opens nothing.

Owns: the names of the members, which never change. Keys are always masked in the ASCII form here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kojikey.cli.output.failure import SCHEMA
from kojikey.cli.output.stdout import write_json
from kojikey.model.allocation import source_without_key
from kojikey.model.key import Key, Stage, Version
from kojikey.model.masking import mask
from kojikey.model.ref import Document
from kojikey.model.verdict import Verdict
from kojikey.operations.results import ChangeResult, ListRow, ProviderReport, StoreInfo, TestResult


def write(command: str, code: int, results: Sequence[Document] | None = None, **more: Any) -> int:
    """Write the document of a command to stdout and return ``code``; members of ``more`` that are None are left out."""
    document: Document = {"schema": SCHEMA, "command": command, "exit_code": int(code)}
    if results is not None:
        document["results"] = list(results)
    write_json({**document, **{name: value for name, value in more.items() if value is not None}})
    return int(code)


def verdict_fields(verdict: Verdict) -> Document:
    """Return the members of a verdict: in a result of ``test``, and under ``test`` in results of other commands."""
    fields: Document = {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason.value,
        "authentic": verdict.authentic,
        "missing_permissions": list(verdict.missing_permissions),
        "detail": verdict.detail,
        "hint": verdict.hint,
        "manage_url": verdict.manage_url,
        "checks": [
            {
                "name": check.name,
                "required": check.required,
                "outcome": check.outcome.value,
                "reason": check.reason.value,
                "http_status": check.http_status,
                "latency_ms": check.latency_ms,
            }
            for check in verdict.checks
        ],
        "latency_ms": verdict.latency_ms,
        "attempts": verdict.attempts,
        "tested_at": verdict.tested_at,
    }
    optional: Document = {
        "usage": verdict.usage.as_document() if verdict.usage else None,
        "permissions": None if verdict.permissions is None else list(verdict.permissions),
        "expires_at": verdict.expires_at,
    }
    return fields | {name: value for name, value in optional.items() if value is not None}


def test_fields(result: TestResult) -> Document:
    """Return a result of ``test``."""
    key: Document = {"account": result.account, "provider": result.provider, "masked": mask(result.tail)}
    return key | {"version": result.version} | verdict_fields(result.verdict) | {"recorded": result.recorded}


def change_fields(result: ChangeResult) -> Document:
    """Return the result of a command that changes a key; ``action`` is null if nothing was changed."""
    document: Document = {
        "account": result.account,
        "provider": result.provider,
        "action": result.action,
        "masked": mask(result.tail),
        "version": result.version,
    }
    if result.verdict is not None:
        document["test"] = verdict_fields(result.verdict)
    if result.at_provider is not None:
        document |= provider_fields(result.at_provider)
    if result.action == "added":
        document["new_account"] = result.is_new_account
    if result.action == "removed":
        document |= {"source": source_without_key(result.provider), "audit_signed": not result.unsigned}
    if result.action == "changed":
        document |= {"settings": list(result.settings), "audit_signed": not result.unsigned}
    return document


def provider_fields(report: ProviderReport) -> Document:
    """Return the members about a change of a key at the provider."""
    return {
        "key_id": report.key_id,
        "parent": report.parent,
        "copied": list(report.copied),
        "not_copied": list(report.not_copied),
        "revoke_after": report.revoke_after,
    }


def list_fields(row: ListRow) -> Document:
    """Return a result of ``list``; without a key its members about the key are null."""
    billed_to = {"byok": "provider", "built_in": "koji", "none": None}[row.source]
    source: Document = {"account": row.account, "provider": row.provider, "source": row.source}
    source |= {"billed_to": billed_to, "disabled": row.disabled}
    return source | (_key_fields(row, row.key) if row.key else dict.fromkeys(_KEY_FIELDS))


_KEY_FIELDS = (
    "masked", "version", "fingerprint", "label", "base_url", "models", "capabilities", "created_at", "rotated_at",
    "age_days", "rotate_after_days", "rotation_due", "expires_at", "last_test", "staged", "previous",
)  # fmt: skip


LISTED_FIELDS = ("account", "provider", "source", "billed_to", "disabled", *_KEY_FIELDS)


def _key_fields(row: ListRow, key: Key) -> Document:
    """Return the members about a key, without opening it."""
    current = key.current
    values = (
        mask(current.tail), current.number, current.fingerprint, key.label, current.base_url, list(key.models),
        list(key.capabilities), key.created_at, key.rotated_at, key.age_days(row.moment),
        key.rotate_after_days, row.is_due,
        current.expires_at, current.last_test.as_document() if current.last_test else None,
        *(version_fields(version) if version else None for version in map(key.version, (Stage.STAGED, Stage.PREVIOUS))),
    )  # fmt: skip
    return dict(zip(_KEY_FIELDS, values, strict=True))


_OWN_FIELDS = ("fingerprint", "base_url", "created_at", "promoted_at", "expires_at")
VERSION_FIELDS = ("version", "stage", "masked", *_OWN_FIELDS, "last_test")


def version_fields(version: Version) -> Document:
    """Return the members about a version, without opening it."""
    fields: Document = {"version": version.number, "stage": version.stage.value, "masked": mask(version.tail)}
    fields |= {name: getattr(version, name) for name in _OWN_FIELDS}
    at_provider = version.at_provider
    fields |= {"key_id": at_provider.key_id or None, "parent": at_provider.parent or None} if at_provider else {}
    return fields | {"last_test": version.last_test.as_document() if version.last_test else None}


def store_fields(info: StoreInfo) -> Document:
    """Return the result of ``store info``."""
    names = ("engine", "place", "store_id", "format", "created_at", "kek", "kek_source")
    fields: Document = {name: getattr(info, name) for name in names}
    fields |= {"counts": {"accounts": info.accounts, "keys": info.keys, "events": info.events}}
    fields |= {"damaged_accounts": info.damaged}
    fields |= {"unlocked_until": info.unlocked_until, "keyring": info.keyring}
    return fields | {"rekey_under_way": info.rekey_under_way, "details": dict(info.details)}
