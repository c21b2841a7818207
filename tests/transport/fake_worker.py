"""A worker process that sends nothing: each order's address says what becomes of it.

accept@, fail@, back@ (given back), hold@ (nothing, until Stop gives it back); taken@, wire@, done@:
so far it goes, then the process dies, once per `--once FILE`. `--mode`: deaf (never ready), dead
(ends at once), stuck (does not end), rubbish (says what is no frame).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from fake_ring import DONE, TAKEN, WIRE, FakeRing  # beside this file

from blaster.transport import frames

ACCEPTED, FAILED = 1, 2


class Worker:
    def __init__(self, options: argparse.Namespace) -> None:
        os.fstat(options.hold)
        self.socket = socket.socket(fileno=options.socket)
        self.ring = FakeRing(options.ring)
        self.once = Path(options.once)
        self.held: list[tuple[str, int, int]] = []

    def say(self, frame: frames.ToCore) -> None:
        self.socket.sendall(frames.encode(frame))

    def run(self) -> None:
        reader = frames.FrameReader(frames.ToWorker)
        while data := self.socket.recv(65_536):
            for frame in reader.feed(data):
                if isinstance(frame, frames.Setup):
                    self.say(frames.Ready(os.getpid()))
                elif isinstance(frame, frames.Orders):
                    self.orders(frame)
                elif isinstance(frame, frames.Stop):
                    for site, number, place in self.held:
                        self.say(frames.Returned(site, (number,), (place,)))
                    return

    def orders(self, frame: frames.Orders) -> None:
        for number, place, address in zip(
            frame.numbers, frame.places, frame.addresses, strict=True
        ):
            word = address.partition("@")[0]
            self.ring.put(place, number, TAKEN)
            if word in ("taken", "wire", "done") and not self.once.exists():
                self.once.touch()
                if word == "wire":
                    self.ring.put(place, number, WIRE)
                if word == "done":
                    self.ring.put(place, number, DONE, ACCEPTED, "250 by ring")
                os._exit(1)
            if word == "hold":
                self.held.append((frame.site, number, place))
            elif word == "back":
                self.say(frames.Returned(frame.site, (number,), (place,)))
            else:
                code = FAILED if word == "fail" else ACCEPTED
                self.ring.put(place, number, DONE, code, "said")
                self.say(frames.Results(frame.site, (number,), (place,), (code,), ("said",), (0,)))


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("socket", "ring", "hold"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--suppression")
    parser.add_argument("--once", default="once")
    parser.add_argument("--mode", default="")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if options.mode == "dead":
        sys.exit(3)
    worker = Worker(options)
    if options.mode == "rubbish":
        worker.socket.sendall(b"\xff" * 64)
    if options.mode == "stuck":
        worker.say(frames.Ready(os.getpid()))
    if options.mode in ("deaf", "stuck"):
        threading.Event().wait()
    worker.run()


main()
