"""Read the beginning of a HepMC file in a separate process, because its library may end the process.

Files of old programs, and damaged ones, refer to missing particles; HepMC's library then follows a null pointer. The
child gets the text through a pipe, so nothing is written, and it imports only the library.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

from simulacra.formats.errors import FormatError

#: how much of a file the child reads [bytes]: all of most files, a few seconds of the others
PROBED: Final = 16 * 2**20
_READERS: Final = {2: "ReaderAsciiHepMC2", 3: "ReaderAscii"}
_CHILD: Final = """
import sys
import pyhepmc.io
reader = getattr(pyhepmc.io, sys.argv[1])(pyhepmc.io.pyiostream(sys.stdin.buffer))
while (event := reader.read()) is not None:
    event.numpy.particles.status
    event.set_units(pyhepmc.Units.GEV, pyhepmc.Units.MM)
"""


def probe(path: str, version: int, lines: Iterable[bytes], *, most: int = PROBED) -> None:
    """Let a child process read the first ``most`` bytes of a listing, up to the end of an event.

    Raises
    ------
    FormatError
        if a signal ends the child; errors that the library reports are left to the later reading.
    """
    held: list[bytes] = []
    size = n_events = 0
    for line in lines:
        is_event = line.startswith(b"E ")
        if is_event and size > most:
            break
        n_events += is_event
        held.append(line)
        size += len(line)
    command = [sys.executable, "-I", "-c", _CHILD, _READERS[version]]
    ended = subprocess.run(command, input=b"".join(held), capture_output=True, check=False).returncode
    if ended < 0:
        try:
            reason = signal.Signals(-ended).name
        except ValueError:
            reason = f"signal {-ended}"
        raise FormatError(
            f"'{path}' is damaged, or of a program too old for HepMC3's library: reading its first {n_events} events "
            f"ended a separate process with {reason}. Write it again with HepMC3, or repair its vertices"
        )
