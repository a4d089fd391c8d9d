"""Ctrl-C as a request: the step in progress ends first; a second one stops at once."""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType
from typing import Any, Self


class GracefulStop:
    """While entered, `seen` tells whether Ctrl-C (SIGINT) or SIGTERM has come.

    Outside the main thread, where Python lets nobody listen to signals, it is never seen.
    """

    def __init__(self) -> None:
        self.seen = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, file: int) -> bool:
        """Wait until a file, by its descriptor, can be read; False: Ctrl-C or SIGTERM has come.

        To read at once would miss a signal that comes just before. Where only sockets can be waited for
        (Windows), and where nobody listens to signals, it does not wait.
        """
        if os.name == "nt" or not self._before:
            return not self.seen
        told, tell = os.pipe()
        try:
            os.set_blocking(tell, False)
            before = signal.set_wakeup_fd(tell)
            try:
                return not self.seen and told not in select.select([file, told], [], [])[0]
            finally:
                signal.set_wakeup_fd(before)
        finally:
            os.close(told)
            os.close(tell)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
