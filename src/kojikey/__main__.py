"""The entry point: ``kojikey`` and ``python -m kojikey``.

Owns: the way in (the quick reader first, Typer for what it steps aside from) and the way out (every error becomes an
exit code, a message and a hint; nobody sees a traceback). The hot path of ``kojikey run`` starts here, so nothing is
imported that it does not need.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks for modules in the working directory first, which may be anybody's: an h11.py there would be
    # given keys. What Python itself imports before this line only `python -P -m kojikey` protects.
    del sys.path[0]


def main() -> None:
    """Carry out the command line of this process and end it with the exit code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from kojikey.cli.output.streams import open_closed

        open_closed()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        from kojikey.cli.dispatch import settle

        code = settle(sys.argv[1:], code)
    sys.exit(code)


def run(tokens: list[str]) -> int:
    """Carry out a command line, report what went wrong, and return the exit code."""
    try:
        return _carried_out(tokens)
    except KeyboardInterrupt as interrupt:
        from kojikey.cli.output.failure import report_interrupt

        return report_interrupt(tokens, interrupt)
    except BrokenPipeError:
        from kojikey.cli.output.streams import silence

        silence(sys.stdout.fileno())
        return 0
    except Exception as error:
        from kojikey.cli.output.failure import report

        return report(tokens, error)


def _carried_out(tokens: list[str]) -> int:
    if tokens in (["--version"], ["-V"]):
        from kojikey import __version__

        print(f"kojikey {__version__}")
        return 0
    from kojikey.cli.parsing.quick import quick
    from kojikey.cli.registry import find

    found = find(tokens)
    call = quick(*found) if found else None
    if call is None:
        from kojikey.cli.parsing.typer_app import run as run_typed

        return run_typed(tokens)
    from kojikey.cli.dispatch import carry_out

    return carry_out(call)


if __name__ == "__main__":
    main()
