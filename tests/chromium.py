"""Headless Chromium, told over a pipe what to do (Chrome DevTools Protocol), without a driver."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 120
MISSING = "no Chromium on this machine (Debian: apt-get install chromium)"
_KEYS = {"Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One tab; every call waits for its answer."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._left, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for name in ("Page.enable", "Runtime.enable", "Log.enable"):
            self.call(name)

    def call(self, method: str, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self):
        while b"\0" not in self._left:
            if not select([self._read], [], [], PATIENCE_S)[0]:
                raise TimeoutError("Chromium does not answer")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._left += part
        first, self._left = self._left.split(b"\0", 1)
        message = json.loads(first)
        if message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            said = details.get("exception", {}).get("description") or details["text"]
            self.errors.append(said)
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            self.errors += [entry["text"]] if entry["level"] == "error" else []
        return message

    def open(self, address: str) -> None:
        """Go to an address, from a blank page, as somebody would who was sent it."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, script: str):
        """Return the value of an expression, awaited."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        end = monotonic() + PATIENCE_S
        while not self.run(f"Boolean({condition})"):
            if monotonic() > end:
                raise TimeoutError(f"waited for {condition}; errors: {self.errors}")

    def click(self, selector: str, where: tuple[float, float] = (0.5, 0.5)) -> None:
        """Click with the mouse, in the middle of what a selector finds, once it stands still."""
        find = (
            f"new Promise((done) => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const {x, y, width, height} = e.getBoundingClientRect();"
            "setTimeout(() => done({x, y, width, height}), 100); })"
        )
        before, box = None, self.run(find)
        while box != before:
            before, box = box, self.run(find)
        self.click_at(box["x"] + where[0] * box["width"], box["y"] + where[1] * box["height"])

    def click_at(self, x: float, y: float) -> None:
        """Click with the mouse at a place of the window, in px."""
        place = {"x": x, "y": y}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **place)
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "button": "left", "clickCount": 1}
            self.call("Input.dispatchMouseEvent", **event, **place)

    def tap(self, selector: str) -> None:
        """Tap with a finger on the middle of what a selector finds."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const {x, y, width, height} = e.getBoundingClientRect();"
            "return {x, y, width, height}; })()"
        )
        self.tap_at(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def tap_at(self, x: float, y: float) -> None:
        """Tap with a finger at a place of the window, in px."""
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        point = {"x": x, "y": y}
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        event: dict = {"key": key}
        if key in _KEYS:
            event |= {"code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **event, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def window(self, width: int, height: int, theme: str = "light") -> None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def pdf(self, path: Path) -> None:
        made = self.call("Page.printToPDF", printBackground=True)
        path.write_bytes(base64.b64decode(made["data"]))


@contextmanager
def chromium(profile: Path):
    """Start Chromium with a profile folder of its own, and end it."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()
    command = [
        str(find_chromium()),
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"),
        *("--remote-debugging-pipe", f"--user-data-dir={profile}"),
    ]

    def as_3_and_4() -> None:  # where Chromium looks for the pipe
        first, second = os.dup(to_browser), os.dup(from_browser)
        os.dup2(first, 3)
        os.dup2(second, 4)

    process = subprocess.Popen(
        command, close_fds=False, preexec_fn=as_3_and_4, stderr=subprocess.DEVNULL
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Browser(write, read)
    finally:
        os.close(write)
        os.close(read)
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:  # a busy machine: its profile is thrown away anyway
            process.kill()
            process.wait()
