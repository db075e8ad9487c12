"""The options and arguments that several commands take, or that code for several commands reads.

Those of a single command are defined in its module. On the hot path: imports nothing expensive.
"""

from __future__ import annotations

from kojikey.cli.command import Argument, Arguments, Flag, Integer, Number, OptionalArgument, Text, Texts, under

PROVIDER = Argument("provider", "PROVIDER", "the provider, for example google_gemini", complete="provider")
KEY = OptionalArgument(
    "provider", "PROVIDER", "the provider; without it, a numbered choice of the account's keys", complete="provider"
)
PROVIDERS = Arguments("providers", "[PROVIDER]...", "the providers (default: all)", complete="provider")
URL = OptionalArgument("url", "URL", "for example sqlite:///srv/team/keys.db (default: the local store)")

JSON = Flag("--json", help="print one JSON document on stdout, even on failure")
QUIET = Flag("--quiet", "-q", help="print only results, warnings and errors")
NO_COLOR = Flag("--no-color", help="no colour (also: NO_COLOR)")
NO_INPUT = Flag("--no-input", help="never ask; fail and say what was missing (also: KOJIKEY_NO_INPUT, CI)")
ACCOUNT = Text(
    "--account", "-a",
    help="whose key it is (default: KOJIKEY_ACCOUNT, then 'default')", metavar="NAME", complete="account",
)  # fmt: skip
STORE = Text(
    "--store", "-s",
    help="the store, by name or URL (default: KOJIKEY_STORE, then 'local')", metavar="NAME|URL", complete="store",
)  # fmt: skip
OUTPUT = (JSON, QUIET, NO_COLOR)
STORE_OPTIONS = (STORE, JSON, NO_INPUT, QUIET, NO_COLOR)
"""The options of a command about a store as a whole, or about accounts that it takes as arguments."""
COMMON = (ACCOUNT, *STORE_OPTIONS)

ALL_ACCOUNTS = Flag("--all-accounts", help="the keys of every account")
YES = Flag("--yes", "-y", help="do not ask")
DRY_RUN = Flag("--dry-run", help="with --batch: only show what would happen")
TO = Text("--to", help="the store to copy to, which must exist", metavar="NAME|URL", complete="store")
ADMIN_ACCOUNT = Text(
    "--admin-account",
    help="whose admin key is used (default: the key's own account)", metavar="NAME", complete="account",
)  # fmt: skip

STDIN = Flag("--stdin", help="read the key from standard input")
FROM_ENV = Text("--from-env", help="read the key from this environment variable", metavar="VAR")
FROM_FILE = Text("--from-file", help="read the key from this file", metavar="PATH", complete="file")
FORCE_SHAPE = Flag("--force-shape", help="accept a key whose shape belongs to another provider")
SOURCES = (STDIN, FROM_ENV, FROM_FILE, FORCE_SHAPE)

BASE_URL = Text("--base-url", help="a regional or enterprise endpoint (https; http only for loopback)", metavar="URL")
MODEL = Texts("--model", help="a model that the key must reach; may be repeated", metavar="ID")
CAPABILITY = Texts(
    "--capability",
    help="what the key must be allowed to do; may be repeated", metavar="NAME", complete="capability",
)  # fmt: skip
LABEL = Text("--label", help="a note to tell keys apart", metavar="TEXT")
EXPIRES = Text("--expires", help="when the key expires: a date, or a span, for example 90d", metavar="DATE|90d")
ROTATE_AFTER = Text("--rotate-after", help="how long until a rotation is due (default 90d), or never", metavar="90d")
NO_TEST = Flag("--no-test", help="do not ask the provider; save the key untested")
ALLOW_LIMITED = Flag("--allow-limited", help="also save a key that is limited")
ALLOW_UNVERIFIED = Flag("--allow-unverified", help="also save a key that could not be judged")
TIMEOUT = Number("--timeout", help="seconds to wait for each request (default 10)", metavar="SECONDS")
DEEP = Flag("--deep", help="also send the smallest paid request, which alone shows billing and quota")
SAVING = (
    *under("The key", *SOURCES, BASE_URL, MODEL, CAPABILITY, LABEL, EXPIRES, ROTATE_AFTER),
    *under("The test", NO_TEST, ALLOW_LIMITED, ALLOW_UNVERIFIED, TIMEOUT, DEEP),
)
"""The options of a command that reads one key, tests it and saves it."""

CONCURRENCY = Integer("--concurrency", help="how many keys to test at once (default 16)", metavar="N")
RATE = Number("--rate", help="requests per second to each provider", metavar="R")
PACE = (CONCURRENCY, RATE)
BATCH = Text(
    "--batch",
    help="many keys: JSON lines of account, provider and key (-: standard input)", metavar="FILE", complete="file",
)  # fmt: skip
JSONL = Flag("--jsonl", help="print one JSON result per line as it arrives")
BATCH_OPTIONS = under("Many keys", BATCH, DRY_RUN, JSONL, *PACE)

JUNIT = Text("--junit", help="also write a JUnit report (- for standard output)", metavar="FILE", complete="file")
HTML = Text(
    "--html",
    help="also write an HTML page: accounts by providers (- for standard output)",
    metavar="FILE",
    complete="file",
)
GITHUB = Flag("--github", help="also annotate the workflow run (the default if GITHUB_ACTIONS=true)")
VERBOSE = Flag("--verbose", help="on a terminal, also show the valid ones of more than 50 keys")
REPORTS = (JSONL.with_help("print one JSON result per line as it arrives, then the summary"), JUNIT, HTML, GITHUB)

# Only run takes these; call_settings.py reads ENV too.
ONLY = Texts("--provider", "-p", help="only this provider's key; may be repeated", metavar="P", complete="provider")
ENV = Texts(
    "--env",
    help="set this variable to P's key; without --provider, set no others; may be repeated", metavar="NAME=P",
)  # fmt: skip
