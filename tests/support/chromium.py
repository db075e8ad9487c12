"""A real Chromium without a window, controlled by its DevTools protocol over two pipes.

Owns: starting, controlling and ending it. Must not: know a page. See https://chromedevtools.github.io/devtools-protocol/
(``--remote-debugging-pipe``: JSON messages that end with a zero byte, read from descriptor 3 and written to 4).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """One page of a running browser."""

    def __init__(self, to_it: int, from_it: int) -> None:
        self._to, self._from, self._read, self._number = to_it, from_it, b"", 0
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            if self._session:
                self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            chunk = os.read(self._from, 1 << 20)
            assert chunk, "the browser ended"
            self._read += chunk
        text, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.ask("Page.navigate", url=path.as_uri())
        while self.value("document.readyState") != "complete" or self.value("location.href") == "about:blank":
            pass

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        got = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key if key == " " else "\r"} if key in ("Enter", " ") else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            code = "Space" if key == " " else key
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=_KEYS[key], **more)

    def prefer(self, scheme: str) -> None:
        """Emulate a system whose color scheme is ``light`` or ``dark``."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def accessible(self) -> list[tuple[str, str]]:
        """Return the role and name of each element that a screen reader finds."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            (node.get("role", {}).get("value", ""), node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]

    def complaints(self) -> list[str]:
        """Return the entries of the browser's console, including violations of the page's content security policy."""
        self.value("0")
        logged = [
            event["params"]
            for event in self.events
            if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
        return [json.dumps(params) for params in logged]

    def resize(self, width: int | None) -> None:
        """Give the window a width; None restores the first one."""
        if width is None:
            self.ask("Emulation.clearDeviceMetricsOverride")
        else:
            self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """Save a screenshot."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium, yield its page, and end it. Without Chromium the test fails."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.fail("this test needs Chromium: apt-get install chromium")
    to_it, its_input = _pipe_to_child()
    from_it, its_output = _pipe_from_child()
    command = [
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
        "--host-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={profile}", "--window-size=1200,900", "--remote-debugging-pipe",
    ]  # fmt: skip
    launch = ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "bash", *command]
    running = subprocess.Popen(
        launch, pass_fds=(its_input, its_output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )  # fmt: skip
    os.close(its_input)
    os.close(its_output)
    try:
        yield Browser(to_it, from_it)
    finally:
        os.close(to_it)
        os.close(from_it)
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(20)
        if running.poll() is None:
            running.kill()
            running.wait()


def _pipe_to_child() -> tuple[int, int]:
    read, write = os.pipe()
    return write, read


def _pipe_from_child() -> tuple[int, int]:
    read, write = os.pipe()
    return read, write
