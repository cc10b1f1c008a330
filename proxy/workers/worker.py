"""A worker: one process of several of a sidecar; see the package.

Started as `python -m proxy.workers.worker NUMBER OF DIRECTORY LOG_LEVEL`. Its parent writes the sidecar's
message to its standard input (the length, then the message) and holds that open as long as it is to serve.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import sys

from understudy.serving.failure import CannotStart

LENGTH = struct.Struct("!I")


def main() -> None:
    """Run one until its parent lets go of it."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)  # the parent gets them, too, and drains all workers together
    number, of, directory, log_level = sys.argv[1:]
    try:
        _serve(int(number), int(of), pathlib.Path(directory), log_level)
    except CannotStart as error:
        sys.stderr.write(f"understudy: {error}\n")
        sys.exit(1)


def _serve(number: int, of: int, directory: pathlib.Path, log_level: str) -> None:
    # Read when grpc is imported, below; as in a sidecar of one process.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import uvloop  # noqa: PLC0415
    from understudy.serving.logs import configure_logging  # noqa: PLC0415
    from understudy.serving.ticket_secrets import ticket_secrets  # noqa: PLC0415
    from understudy.v1 import sidecar_pb2  # noqa: PLC0415

    from proxy.process import Sidecar  # noqa: PLC0415
    from proxy.settings import settings_of  # noqa: PLC0415
    from proxy.workers.place import Place  # noqa: PLC0415
    from proxy.workers.shares import share_of  # noqa: PLC0415

    configure_logging(log_level, worker=number)
    message = sidecar_pb2.Sidecar.FromString(_received())
    secrets = ticket_secrets(message.ticket_secret_file, os.environ)
    settings = settings_of(message, socket.gethostname(), *secrets[:1])

    async def run() -> None:
        await Sidecar(share_of(settings, Place(number, of, directory), os.getpid())).run()

    try:
        uvloop.run(run())
    finally:
        # The parent does it, too, unless it was killed.
        (directory / f"{os.getpid()}.sock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another may be at it, too
            if not any(directory.glob("*.sock")):
                shutil.rmtree(directory, ignore_errors=True)


def _received() -> bytes:
    """The message. A parent that is gone has none: there is nothing to serve."""
    (length,) = LENGTH.unpack(_exactly(LENGTH.size))
    return _exactly(length)


def _exactly(size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = os.read(sys.stdin.fileno(), size - len(found))
        if not more:
            raise CannotStart("this is a worker of understudy proxy --workers, and has no parent")
        found += more
    return found


if __name__ == "__main__":
    main()
