"""The entry point: ``kojikey`` and ``python -m kojikey``.

Owns: reading the command line (the quick reader first, Typer for the rest) and the end of the program (every error
becomes an exit code, a message and a hint; nobody sees a traceback), and how often Python looks for cyclic garbage in
this process. The hot path of ``kojikey run`` starts here, so nothing is imported that it does not need.
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.command import CommandLine

if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks for modules in the working directory first, which may be anybody's: an h11.py there would be
    # given keys. What Python itself imports before this line only `python -P -m kojikey` protects.
    del sys.path[0]


def main() -> None:
    """Carry out the command line of this process and end it with the exit code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from kojikey.cli.output.streams import open_closed

        open_closed()
    # A start makes tens of thousands of objects and hardly any garbage, and so do thousands of requests. With the usual
    # thresholds, looking for cycles takes a twentieth of the time of a start and a tenth of that of a long run.
    gc.set_threshold(100_000, 50, 100)
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            from kojikey.cli.dispatch import after_lost_output

            code = after_lost_output(stream, error, code)
    gc.freeze()  # spares the last search for reference cycles at exit, when the system frees all memory anyway
    sys.exit(code)


def run(tokens: list[str]) -> int:
    """Carry out a command line, report what went wrong, and return the exit code."""
    line: CommandLine | None = None
    try:
        if tokens in (["--version"], ["-V"]):
            return _print_version()
        from kojikey.cli.parsing.quick import read

        line = read(tokens)
        return _carried_out(line)
    except KeyboardInterrupt as interrupt:
        from kojikey.cli.output.failure import report_interrupt

        return report_interrupt(line, interrupt)
    except BrokenPipeError:
        from kojikey.cli.output.streams import silence

        silence(sys.stdout.fileno())
        return 0
    except Exception as error:
        from kojikey.cli.output.failure import report

        return report(line, error)


def _print_version() -> int:
    from kojikey import __version__

    print(f"kojikey {__version__}")
    return 0


def _carried_out(line: CommandLine) -> int:
    call = line.call
    if call is None:
        from kojikey.cli.parsing.typer_app import read

        call = read(line)
    if call is None:  # help, which was written
        return 0
    from kojikey.cli.dispatch import carry_out

    return carry_out(call)


if __name__ == "__main__":
    main()
