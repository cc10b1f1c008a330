"""What a sidecar begins with: the last known good snapshot, else its file's service, else nothing yet."""

import logging

from understudy.serving.failure import CannotStart
from understudy.v1 import service_pb2

from proxy.config.last_known_good import LastKnownGood, Unusable
from proxy.engines.engine import Engine
from proxy.policy.table import Rejected, compile_snapshot, static_snapshot
from proxy.tls.keyring import Refused

_log = logging.getLogger(__name__)


def begin(engine: Engine, state: LastKnownGood | None, service: service_pb2.Service | None) -> None:
    """Bring it into force; CannotStart where the file's service cannot be."""
    if state is not None and _began_from(engine, state):
        return
    if service is not None:
        try:
            engine.apply(compile_snapshot(static_snapshot(service)))
        except Refused as refused:
            raise CannotStart(str(refused)) from None


def _began_from(engine: Engine, state: LastKnownGood) -> bool:
    """Whether there was a last known good snapshot that can be used here."""
    try:
        state.prepare()
    except OSError as error:
        raise CannotStart(f"state_dir: {state.path.parent} cannot be written: {error.strerror}") from None
    try:
        snapshot = state.load()
        if snapshot is None:
            return False
        at = {"epoch": snapshot.epoch, "version": snapshot.version}
        engine.apply(compile_snapshot(snapshot))
    except (Unusable, Rejected, Refused) as error:
        _log.warning("last known good snapshot refused", extra={"reason": str(error)})
        return False
    _log.info("starting from the last known good snapshot", extra=at)
    return True
