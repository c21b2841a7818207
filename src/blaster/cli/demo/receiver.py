"""The sink process of a demo: started, found again after a crash, asked, and ended."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from blaster.errors import BlasterError
from blaster.testing import Provider, SinkConfig, SinkReady, SinkReport, ask

FOLDER = "sink"
SAMPLE = 1_000
"""Messages kept whole, so that their signatures can be checked."""
END_TIMEOUT_S = 10.0


class Receiver:
    """A sink process. `outlive`: it goes on when the demo is killed, until it is ended."""

    def __init__(
        self, folder: Path, ready: SinkReady, process: subprocess.Popen[bytes] | None
    ) -> None:
        self._folder = folder
        self._process = process
        self.ready = ready

    @classmethod
    def open(
        cls,
        folder: Path,
        providers: Sequence[Provider],
        seed: int,
        *,
        outlive: bool,
        before: SinkReady | None,
    ) -> Receiver:
        """The sink that an earlier run of this demo left; else a new one, on the same ports.

        A new one goes on from what the earlier one wrote down.
        """
        if before is not None:
            found = cls(folder, before, None)
            try:
                found.report()
            except (OSError, BlasterError):
                providers = [_on_port(each, before) for each in providers]
            else:
                return found
        return cls._start(folder, providers, seed, outlive=outlive)

    @classmethod
    def _start(
        cls, folder: Path, providers: Sequence[Provider], seed: int, *, outlive: bool
    ) -> Receiver:
        place = folder / FOLDER
        place.mkdir(exist_ok=True)
        config = SinkConfig(tuple(providers), seed, SAMPLE, str((place / "journal").resolve()))
        (place / "config.json").write_bytes(msgspec.json.encode(config))
        command = [
            sys.executable, "-P", "-m", "blaster.testing.sink",
            "--config", str(place / "config.json"), "--report", str(place / "report.json"),
            *(["--outlive"] if outlive else []),
        ]  # fmt: skip
        with (place / "errors.txt").open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL if outlive else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # an interrupt at the terminal is the demo's to handle
            )
        out: IO[bytes] | None = process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            process.communicate()
            why = (place / "errors.txt").read_text(errors="replace").strip().splitlines()
            raise BlasterError(f"the SMTP sink did not start: {why[-1] if why else 'no reason'}")
        return cls(folder, msgspec.json.decode(line, type=SinkReady), process)

    def report(self) -> SinkReport:
        """What it counted so far. Raises OSError when it is gone, BlasterError if it is no sink."""
        try:
            return msgspec.json.decode(ask(self.ready.control, "report"), type=SinkReport)
        except msgspec.MsgspecError as error:
            raise BlasterError(f"port {self.ready.control} is somebody else's: {error}") from error

    def samples(self) -> list[bytes]:
        """The sample: whole messages, as they came; they stay in the folder."""
        place = (self._folder / FOLDER / "samples").resolve()
        count = int(ask(self.ready.control, f"samples {place}"))
        return [path.read_bytes() for path in sorted(place.glob("*.eml"))[:count]]

    def end(self) -> None:
        """Ends it; what it counted stays in the folder. Nothing happens if it is gone."""
        with contextlib.suppress(OSError):
            ask(self.ready.control, "end")
        if self._process is None:
            return
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _on_port(provider: Provider, before: SinkReady) -> Provider:
    return msgspec.structs.replace(provider, port=before.ports.get(provider.name, 0))
