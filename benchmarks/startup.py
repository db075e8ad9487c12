"""How long kojikey takes to start, as ratios to ``python -c pass`` on the same machine in the same run.

Run it with the Python of an environment that kojikey is installed in: ``python benchmarks/startup.py [--runs N]
[--attempts N]``. It makes its own home folder, store and sandbox, runs the commands in turn, prints each one's ratio
beside its limit, and exits 1 if the ratio of the medians is above it. On a busy machine, look at the ratio of the least
times. An editable install starts a little slower than a wheel; the output says which was measured.

The limits are for an environment that also has click and pygments: some libraries import optional packages, and a
limit that holds only where nothing else is installed says little. Without them it says so and exits 2.
"""

from __future__ import annotations

import argparse
import base64
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from importlib.util import find_spec
from typing import NamedTuple

import kojikey

KOJIKEY = os.path.join(os.path.dirname(sys.executable), "kojikey")
PASS = "python -c pass"
BESIDE = ("click", "rich", "pygments")


class Limit(NamedTuple):
    """A command and how many times as long as ``python -c pass`` it may take."""

    name: str
    command: tuple[str, ...]
    ratio: float


LIMITS = (
    Limit("run -- true", (KOJIKEY, "run", "--", "true"), 3.2),
    Limit("--version", (KOJIKEY, "--version"), 2.5),
    Limit("list --json", (KOJIKEY, "list", "--json"), 5.5),
    Limit("list", (KOJIKEY, "list"), 8.5),
    Limit("--help", (KOJIKEY, "--help"), 13),
    Limit("test of one key", (KOJIKEY, "test", "elevenlabs"), 20),
)


def main() -> int:
    """Measure, print the table, and return 1 where a command is above its limit in every attempt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="runs of each command (default 21)")
    parser.add_argument("--attempts", type=int, default=1, help="tables to make until one is within the limits")
    options = parser.parse_args()
    missing = [name for name in BESIDE if find_spec(name) is None]
    if missing:
        print(f"install {' and '.join(missing)} beside kojikey: the limits hold where other libraries are, too")
        return 2
    compileall.compile_dir(os.path.dirname(kojikey.__file__), quiet=1)
    print(f"kojikey {kojikey.__version__}, {_install()}, Python {sys.version.split()[0]}, {options.runs} runs each")
    with tempfile.TemporaryDirectory(prefix="kojikey-benchmark-") as home, playing() as environ:
        environ["HOME"] = home  # not KOJIKEY_HOME, which hardly anybody sets
        prepare(environ)
        for _ in range(options.attempts):
            if show(measure(environ, options.runs)):
                return 0
    return 1


def _install() -> str:
    direct = json.loads(distribution("kojikey").read_text("direct_url.json") or "{}")
    return "an editable install" if direct.get("dir_info", {}).get("editable") else "installed"


@contextmanager
def playing() -> Iterator[dict[str, str]]:
    """Yield an environment in which a sandbox, in a process of its own, plays the providers; its keys are in it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KOJIKEY_")}
    for name in (
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "GITHUB_ACTIONS",
    ):
        environ.pop(name, None)
        environ.pop(name.lower(), None)
    environ["KOJIKEY_KEK"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
    with subprocess.Popen(
        [KOJIKEY, "sandbox", "--json"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as sandbox:
        try:
            assert sandbox.stdout
            announced = b""
            while not announced.endswith(b"\n}\n") and (line := sandbox.stdout.readline()):
                announced += line
            environ["SANDBOX"] = announced.decode()
            yield environ
        finally:
            sandbox.terminate()


def prepare(environ: dict[str, str]) -> None:
    """Make the store with a key of each provider."""
    keys = json.loads(environ.pop("SANDBOX"))["results"]
    for provider in ("google_gemini", "elevenlabs"):
        key = next(key for key in keys if key["provider"] == provider and key["reason"] == "ok")
        subprocess.run(
            [KOJIKEY, "add", provider, "--stdin", "--base-url", key["base_url"]],
            input=key["key"].encode(), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip


def measure(environ: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run by the command's name; the commands take turns, so that noise meets them alike."""
    commands = {PASS: (sys.executable, "-c", "pass"), **{limit.name: limit.command for limit in LIMITS}}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):  # the first round warms the caches
        for name, command in commands.items():
            found = run_once(command, environ)
            if number:
                taken[name].append(found)
    return taken


def run_once(command: tuple[str, ...], environ: dict[str, str]) -> float:
    """Run a command to its end and return the seconds it took; it has to succeed."""
    began = time.perf_counter()
    subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began


def show(taken: dict[str, list[float]]) -> bool:
    """Print the table; return whether every command is within its limit."""
    medians = {name: statistics.median(found) for name, found in taken.items()}
    least = {name: min(found) for name, found in taken.items()}
    print(f"\n{'command':<18}{'median':>10}{'ratio':>9}{'limit':>8}{'least':>12}{'ratio':>9}")
    print(f"{PASS:<18}{medians[PASS] * 1000:>7.1f} ms{1:>8.2f}x{'':>8}{least[PASS] * 1000:>9.1f} ms{1:>8.2f}x")
    within = True
    for name, _, limit in LIMITS:
        ratio, least_ratio = medians[name] / medians[PASS], least[name] / least[PASS]
        within = within and ratio <= limit
        print(
            f"{name:<18}{medians[name] * 1000:>7.1f} ms{ratio:>8.2f}x{limit:>7g}x"
            f"{least[name] * 1000:>9.1f} ms{least_ratio:>8.2f}x{'  above its limit' if ratio > limit else ''}"
        )
    return within


if __name__ == "__main__":
    sys.exit(main())
