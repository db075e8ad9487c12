"""``kojikey run``: replaces itself by a program, with the account's keys in its environment.

The hot path: programs start through this. Nothing is imported at module level that this path does not need.
"""

from __future__ import annotations

import os
import sys

from kojikey.cli.call_settings import settings_of
from kojikey.cli.command import Arguments, Call, Command, Flag
from kojikey.cli.commands.run.keys import REQUIRE, held_providers, note_missing_key, note_other_place
from kojikey.cli.options import ACCOUNT, DRY_RUN, ENV, JSON, NO_COLOR, NO_INPUT, ONLY, QUIET, STORE
from kojikey.config.settings import Settings
from kojikey.model.environment import Environment
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from kojikey.cli.person import Person
    from kojikey.model.credential import Credential
    from kojikey.model.secret import Secret
    from kojikey.providers.index import IndexEntry
else:
    import _signal as signal  # `signal` adds enums, whose import takes a twentieth of the budget of `run`

PROGRAM = Arguments("program", "-- CMD [ARGUMENTS]...", "the program to start")
MASK = Flag("--mask", help="stay, and replace keys in CMD's output by their masked form")

NOT_EXECUTABLE, NOT_FOUND = 126, 127
_WITHHELD = ("KOJIKEY_IDENTITY", "KOJIKEY_IDENTITY_FILE")  # they open everything that the store has


def run(call: Call) -> int:
    """Run ``kojikey run``: replace this process by the program.

    Returns the exit code if the program could not be started, or with ``--mask`` or ``--dry-run``.
    """
    program = call[PROGRAM]
    if not program and not call[DRY_RUN]:
        raise UsageError("run needs a program to start", hint=next_step("run", "--", "CMD", "ARGUMENTS"))
    if call[MASK] and os.name != "posix":
        raise UsageError(
            "--mask works only on Linux and macOS", hint=next_step("run", "--", "CMD"), effect=Effect.NOTHING_STARTED
        )
    from kojikey import wiring

    settings = settings_of(call)
    index = wiring.provider_index(settings)
    named = _named_variables(call[ENV])
    listed = tuple(dict.fromkeys(call[ONLY]))
    for provider in (*listed, *named.values()):
        if provider not in index:
            wiring.checked_provider(provider, settings)
    if call[DRY_RUN]:
        from kojikey.cli.commands.run.preview import preview

        return preview(call, settings, index, listed, named)
    found = _credentials(call, settings, dict.fromkeys((*listed, *named.values())), index)
    environ = Environment(os.environ).without(*_WITHHELD)
    for provider in listed or (() if named else found):
        if provider in found:
            note_other_place(call, environ, provider, index[provider], found[provider].base_url)
            environ = environ.joined(_variables(found[provider], index[provider]))
    for name, provider in named.items():
        if provider in found:
            environ = environ.joined({name: _plaintext(found[provider])})
    if call[MASK]:
        return _run_masked(call, program, environ, [found[provider].secret for provider in found])
    return _exec(call, program, environ)


def _named_variables(pairs: tuple[str, ...]) -> dict[str, str]:
    if not pairs:
        return {}
    from kojikey.model.environment_names import is_variable_name, may_hold_key

    named = {}
    for pair in pairs:
        name, equals, provider = pair.partition("=")
        if not equals or not is_variable_name(name) or not provider:
            raise UsageError(
                "--env takes NAME=PROVIDER, for example MY_KEY=google_gemini",
                hint=next_step("run", "--env", "MY_KEY=google_gemini", "--", "CMD"),
            )
        if not may_hold_key(name):
            raise UsageError(
                "--env names a variable that changes how programs run; it was not set",
                hint="choose another name for the key, for example MY_KEY",
                effect=Effect.NOTHING_STARTED,
            )
        named[name] = provider
    return named


def _credentials(
    call: Call, settings: Settings, named: dict[str, None], index: dict[str, IndexEntry]
) -> dict[str, Credential]:
    """Return the account's keys by provider: those at the named providers, or all.

    Raises:
        NotFound: the command line has ``--require``, and a key or a definition is missing.
    """
    from kojikey import wiring
    from kojikey.operations.resolving import resolve

    open_store = wiring.open_chosen_store(settings, _person_to_ask(call, settings))
    found, account = {}, settings.account.value
    for provider in named or held_providers(call, settings, open_store, index):
        credential = resolve(open_store, account=account, provider=provider)
        if credential.source == "byok":
            found[provider] = credential
        else:
            note_missing_key(call, open_store, account, provider)
    open_store.close()
    return found


def _person_to_ask(call: Call, settings: Settings) -> Person | None:
    """Return the person who is asked for a passphrase, None if there is no terminal: ``run`` saves the import then."""
    if settings.environ.get("KOJIKEY_PASSPHRASE_FILE"):
        return None
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return None
    from kojikey.cli.output.terminal import Terminal
    from kojikey.cli.person import Person

    return Person(Terminal(call, settings))


def _variables(credential: Credential, entry: IndexEntry) -> Environment:
    """Return the variables of the provider's SDKs: the key, and its base URL if that is not the default."""
    base_url = entry.base_url_variable(credential.base_url)
    return Environment(dict.fromkeys(entry.env, _plaintext(credential)) | base_url)


def _plaintext(credential: Credential) -> str:
    return credential.secret.reveal() if credential.secret else ""


def _exec(call: Call, program: tuple[str, ...], environ: Environment) -> int:
    # Python ignores these two, and an ignored signal stays ignored across exec: `CMD | head` would never end.
    numbers = [getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)]
    if not program[0]:  # execvp would try to execute the folders of PATH
        return _not_started(call, program[0], "was not found", NOT_FOUND)
    sys.stdout.flush()
    sys.stderr.flush()
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        os.execvpe(program[0], list(program), environ)
    except (OSError, ValueError) as error:
        return _start_failed(call, program[0], error)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _run_masked(call: Call, program: tuple[str, ...], environ: Environment, secrets: list[Secret | None]) -> int:
    """Start the program, mask the keys in its output, and return its exit code."""
    if not program[0]:
        return _not_started(call, program[0], "was not found", NOT_FOUND)
    from kojikey.cli.commands.run.masked import run_masked

    sys.stdout.flush()
    sys.stderr.flush()
    try:
        started = run_masked(program, environ, [secret for secret in secrets if secret])
    except (OSError, ValueError) as error:
        return _start_failed(call, program[0], error)
    return started.relay()


def _start_failed(call: Call, name: str, error: OSError | ValueError) -> int:
    import errno

    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        import shutil

        if shutil.which(name) is None:
            return _not_started(call, name, "was not found", NOT_FOUND)
        problem = "could not be started (the interpreter that its first line names was not found)"
        return _not_started(call, name, problem, NOT_EXECUTABLE)
    reason = getattr(error, "strerror", None) or "its name or an argument contains a null byte"
    if getattr(error, "errno", None) == errno.ENOEXEC:  # unlike a shell, kojikey does not guess the interpreter
        problem = "could not be started (it is no program, and a script needs a first line, for example #!/bin/sh)"
        return _not_started(call, name, problem, NOT_EXECUTABLE)
    return _not_started(call, name, f"could not be started ({reason})", NOT_EXECUTABLE)


def _not_started(call: Call, name: str, problem: str, code: int) -> int:
    from kojikey.cli.output.failure import failed, say
    from kojikey.model.key_detection import looks_like_key

    hint, message = None, f"{name if name and name.isprintable() else 'the program'} {problem}"
    if looks_like_key(name):
        from kojikey.cli.parsing.key_guard import REVOKE

        hint, message = REVOKE, f"the program {problem}; its name looks like a provider key and is not repeated here"
    say(f"kojikey: {message}")
    if hint:
        say(f"  {hint}")
    if call[JSON]:
        from kojikey.cli.output.stdout import write_json

        label = "not_found" if code == NOT_FOUND else "not_executable"  # 126 and 127 are not in exits.py
        write_json(failed("run", code, {"code": label, "message": message, "hint": hint}))
    return code


COMMANDS = (
    Command(
        "run",
        "start a program with the account's keys in its environment",
        run,
        options=(
            ACCOUNT,
            STORE,
            ONLY,
            ENV,
            MASK,
            REQUIRE,
            DRY_RUN.with_help("show which variables would be set, for which keys; start nothing"),
            JSON.with_help("print a failure to start, or the result of --dry-run, as JSON"),
            NO_INPUT,
            QUIET,
            NO_COLOR,
        ),
        arguments=(PROGRAM,),
        description="Replaces itself by the program, so that signals, terminal and exit status are the program's own. "
        "The keys go under the names that the providers' SDKs read. Nothing is written to disk. "
        "Exit 127: the program was not found; 126: it could not be started.",
        examples=(
            "kojikey run -- python interview.py",
            "kojikey run --provider google_gemini --require -- ./nightly",
            "kojikey run --env VOICE_KEY=elevenlabs -- node server.js",
        ),
        passes_on=True,
    ),
)
