"""A few calls worth looking at: the slowest, the failed and the mismatched of a window."""

from dataclasses import dataclass

PER_KIND = 5


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One call, without anything that a caller sent. `latency` in seconds."""

    kind: str  # slow | failed | mismatch
    route: str
    variant: str
    mirrored: bool
    code: str
    latency: float
    trace_id: str


class Exemplars:
    """Keeps at most PER_KIND of each kind; of traced calls only, since an untraced one cannot be found."""

    def __init__(self) -> None:
        self._failed: list[Exemplar] = []
        self._mismatched: list[Exemplar] = []
        self._slow: list[Exemplar] = []

    def __repr__(self) -> str:
        return f"<Exemplars {len(self.all())}>"

    def offer(
        self,
        route: str,
        variant: str,
        mirrored: bool,  # noqa: FBT001
        code: str,
        latency: float,
        trace_id: str,
    ) -> None:
        """A traced call ended; it is kept where it failed or is among the slowest."""
        if not trace_id:
            return
        if code != "OK":
            if len(self._failed) < PER_KIND:
                self._failed.append(Exemplar("failed", route, variant, mirrored, code, latency, trace_id))
            return
        if len(self._slow) == PER_KIND and latency <= self._slow[-1].latency:
            return
        self._slow.append(Exemplar("slow", route, variant, mirrored, code, latency, trace_id))
        self._slow.sort(key=lambda one: -one.latency)
        del self._slow[PER_KIND:]

    def mismatch(self, route: str, variant: str, latency: float, trace_id: str) -> None:
        """A traced copy's prediction was another."""
        if trace_id and len(self._mismatched) < PER_KIND:
            self._mismatched.append(Exemplar("mismatch", route, variant, True, "OK", latency, trace_id))  # noqa: FBT003

    def all(self) -> list[Exemplar]:
        """Every one kept."""
        return [*self._failed, *self._mismatched, *self._slow]
