"""What ties a call to a user: a metadata key, else a field of the request message."""

from dataclasses import dataclass

from proxy.policy.matching import Metadata, values
from proxy.policy.protocols import PREDICT, USER_ID
from proxy.policy.wire import Path, find

DEFAULT_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sticky:
    """Sources of a key, in order: metadata keys, the route's places in the message, then, where `payload` is
    set, the known protocol's own.
    """

    metadata: tuple[str, ...] = ()
    payload: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES
    fields: tuple[Path, ...] = ()

    def from_metadata(self, metadata: Metadata) -> bytes | None:
        """The first value of the first key that has one that is not empty."""
        for key in self.metadata:
            for value in values(metadata, key):
                if value:
                    return value.encode()
        return None

    def reads_payload(self, method: str) -> bool:
        """Whether a request of this method may hold a key."""
        return bool(self.fields) or (self.payload and method in PREDICT)

    def from_payload(self, method: str, message: bytes) -> bytes | None:
        """The first key that is not empty, looked for in the message's first `max_bytes`."""
        known = USER_ID[PREDICT[method]] if self.payload and method in PREDICT else ()
        for path in (*self.fields, *known):
            found = find(message, path, self.max_bytes)
            if found is not None and found.value:
                return found.value
        return None

    def is_cut_short(self, method: str, message: bytes) -> bool:
        """A key may lie beyond the bound, where it was not looked for."""
        return self.reads_payload(method) and len(message) > self.max_bytes
