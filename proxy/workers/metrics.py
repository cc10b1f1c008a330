"""The metrics of several workers as those of one sidecar: pure.

Read in OpenMetrics' text, which says more than Prometheus' (exemplars); written in either. Counters and
histograms are summed by name and labels. A worker that ended takes nothing back: what it was last seen to
have counted stays in the sums, so that they never fall; what it counted since is lost. Of gauges each has
its rule, and only workers that are there take part.

Sources: OpenMetrics 1.0; Prometheus, "Exposition formats".
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

_SAMPLE = re.compile(r'([A-Za-z_:][\w:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?) (\S+)( # .*)?')
_SUMMED = frozenset({"counter", "histogram"})
_GAUGES: Mapping[str, Callable[[float, float], float]] = {
    "understudy_requests_in_flight": lambda one, other: one + other,
    "understudy_control_connected": min,  # connected is who has every worker connected
}
"""Of all others the most counts: the oldest age, and 1 where something is so in any worker."""

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Family:
    """All samples of one metric: value by name and labels, as they are written; and exemplars."""

    kind: str = "unknown"
    text: str = ""
    samples: dict[str, float] = field(default_factory=dict)
    exemplars: dict[str, str] = field(default_factory=dict)


Families = dict[str, Family]


def parse(text: str) -> Families:
    """The families of an OpenMetrics text; a ValueError where it is none."""
    families: Families = {}
    name = ""
    for line in text.split("\n"):
        if line.startswith(("# HELP ", "# TYPE ", "# UNIT ")):
            _, what, name, rest = (*line.split(" ", 3), "")[:4]
            family = families.setdefault(name, Family())
            if what == "TYPE":
                family.kind = rest
            elif what == "HELP":
                family.text = rest
        elif line and not line.startswith("#"):
            found = _SAMPLE.fullmatch(line)
            if found is None or name not in families:
                raise ValueError(f"is no sample: {line!r}")
            sample, value, exemplar = found.groups()
            families[name].samples[sample] = float(value)
            if exemplar:
                families[name].exemplars[sample] = exemplar
    return families


def merge(many: Iterable[Families]) -> Families:
    """All of them as one."""
    merged: Families = {}
    for families in many:
        for name, family in families.items():
            into = merged.setdefault(name, Family(family.kind, family.text))
            unite = (lambda one, other: one + other) if family.kind in _SUMMED else _GAUGES.get(name, max)
            for sample, value in family.samples.items():
                before = into.samples.get(sample)
                into.samples[sample] = value if before is None else unite(before, value)
            into.exemplars = {**family.exemplars, **into.exemplars}
    return merged


def render(families: Families, *, is_open: bool) -> str:
    """As OpenMetrics, or as the older text that every Prometheus reads."""
    lines = []
    for name, family in families.items():
        shown = name if is_open or family.kind != "counter" else f"{name}_total"
        kind = "untyped" if family.kind == "unknown" and not is_open else family.kind
        lines += [f"# HELP {shown} {family.text}", f"# TYPE {shown} {kind}"]
        for sample, value in family.samples.items():
            exemplar = family.exemplars.get(sample, "") if is_open else ""
            lines.append(f"{sample} {value!r}{exemplar}")
    return "\n".join([*lines, "# EOF\n" if is_open else ""])


class Sums:
    """What the workers, by number, were last seen to have; survives each of their processes."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, Families]] = {}  # with the process it is of
        self._gone: Families = {}

    def __repr__(self) -> str:
        return f"<Sums of {sorted(self._last)}>"

    def take(self, number: int, process: int, families: Families) -> None:
        """What one shows now."""
        before = self._last.get(number)
        if before is not None and before[0] != process:
            self._gone = merge([self._gone, _counted(before[1])])
        self._last[number] = process, families

    def all(self, there: Collection[int]) -> Families:
        """Everything, gauges of the processes that are there."""
        last = [
            families if process in there else _counted(families) for process, families in self._last.values()
        ]
        return merge([*last, self._gone])


def _counted(families: Families) -> Families:
    return {name: family for name, family in families.items() if family.kind in _SUMMED}
