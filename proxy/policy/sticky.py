"""What ties a call to a user: a metadata key, else a field of the request message."""

from dataclasses import dataclass

from proxy.policy.matching import Metadata, values
from proxy.policy.protocols import PREDICT, USER_ID
from proxy.policy.wire import find

DEFAULT_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sticky:
    """Sources of a key, in order: metadata keys, then the payload's own place where `payload` is set."""

    metadata: tuple[str, ...] = ()
    payload: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES

    def from_metadata(self, metadata: Metadata) -> bytes | None:
        """The first value of the first key that has one that is not empty."""
        for key in self.metadata:
            for value in values(metadata, key):
                if value:
                    return value.encode()
        return None

    def reads_payload(self, method: str) -> bool:
        """Whether a request of this method may hold a key."""
        return self.payload and method in PREDICT

    def from_payload(self, method: str, message: bytes) -> bytes | None:
        """The user id at the known protocol's own place, looked for in the first `max_bytes`."""
        for path in USER_ID[PREDICT[method]] if self.reads_payload(method) else ():
            found = find(message, path, self.max_bytes)
            if found is not None and found.value:
                return found.value
        return None

    def is_cut_short(self, method: str, message: bytes) -> bool:
        """A key may lie beyond the bound, where it was not looked for."""
        return self.reads_payload(method) and len(message) > self.max_bytes
