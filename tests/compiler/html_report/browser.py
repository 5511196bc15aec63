"""A headless Chromium, spoken to through the DevTools protocol over a pipe.

The protocol's messages are JSON objects that end with a zero byte; Chromium reads them from file
descriptor 3 and writes them to 4 (``--remote-debugging-pipe``).
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEADLINE = 60.0
"""Seconds that the browser may take to answer."""

LAUNCH = """
import os, sys
reads, writes = map(int, sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None: ``SNNC_CHROMIUM`` or the usual names."""
    given = os.environ.get("SNNC_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One page of a running browser.

    Attributes:
        complaints: What the console said that is worse than a notice, and uncaught exceptions.
        requests: Addresses that the page asked for.
    """

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a command and return its result; note what happens meanwhile."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + DEADLINE
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self._loaded = False
        self.ask("Page.navigate", url=path.absolute().as_uri())
        end = time.monotonic() + DEADLINE
        while not self._loaded:
            self._receive(end)

    def resize(self, width: int, height: int, **media: str) -> None:
        """Set the size of the window and what media queries see."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": name.replace("_", "-"), "value": v} for name, v in media.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def evaluate(self, script: str) -> Any:
        """Return the value of a script; a promise is waited for."""
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reads], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser does not answer")
            part = os.read(self._reads, 1 << 16)
            if not part:
                raise ConnectionError("the browser has gone")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message = dict(json.loads(line))
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, found: Mapping[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning"):
            self.complaints.append(json.dumps(found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.complaints.append(found["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])


@contextmanager
def open_browser(chromium: str, profile: Path) -> Iterator[Page]:
    """Run a browser and give its page.

    Args:
        chromium: Path of the browser.
        profile: An empty folder for its files.
    """
    hears, tells = os.pipe()
    reads, answers = os.pipe()
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 5) for fd in (hears, answers)]
    command = [
        *(sys.executable, "-c", LAUNCH, *map(str, theirs), chromium),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "about:blank"),
    ]
    process = subprocess.Popen(
        command, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for fd in (hears, answers, *theirs):
        os.close(fd)
    try:
        yield Page(reads, tells)
    finally:
        process.kill()
        process.wait()
        os.close(reads)
        os.close(tells)
