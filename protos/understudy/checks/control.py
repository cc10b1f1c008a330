"""The rules of a control service's file."""

from urllib.parse import urlsplit

from google.protobuf.duration_pb2 import Duration

from understudy.checks.names import check_choice
from understudy.checks.numbers import check_positive_duration, check_range, seconds
from understudy.checks.targets import check_listen
from understudy.checks.violation import Violation, join
from understudy.v1 import control_pb2

KEPT = (("keep_evidence", 7 * 24 * 3600.0), ("keep_audit", 365 * 24 * 3600.0))
"""With their defaults, in seconds."""

EVENTS = ("phase", "stage", "rollback")


def check_control(control: control_pb2.Control, path: str = "") -> list[Violation]:
    """Everything that is wrong with a control service's configuration."""
    violations = []
    for field in ("listen", "http"):
        if getattr(control, field):
            violations += check_listen(getattr(control, field), join(path, field))
    if control.store and not control.store.startswith("sqlite:///"):
        violations.append(Violation(join(path, "store"), f"must be sqlite:///PATH, got {control.store!r}"))
    elif "?" in control.store:
        text = f"must be sqlite:///PATH and no more, got {control.store!r}"
        violations.append(Violation(join(path, "store"), text))
    elif control.store in ("sqlite:///", "sqlite:///:memory:"):
        violations.append(Violation(join(path, "store"), "must name a file, as sqlite:///understudy.db"))
    violations += check_range(control.min_acked, 0, 1, join(path, "min_acked"))
    for field in ("ack_timeout", "outcome_horizon", "keep_evidence", "keep_audit", "keep_sidecars"):
        violations += check_positive_duration(control, field, path)
    evidence, audit = (_keep(control, field, default) for field, default in KEPT)
    if control.HasField("keep_audit") and audit < evidence:
        text = f"must not be shorter than keep_evidence, which is {evidence / 3600:g}h"
        violations.append(Violation(join(path, "keep_audit"), text))
    for index, notify in enumerate(control.notify):
        violations += check_notify(notify, join(path, f"notify[{index}]"))
    if control.trace_url and "{trace_id}" not in control.trace_url:
        violations.append(Violation(join(path, "trace_url"), "must have {trace_id} in it"))
    return violations


def _keep(control: control_pb2.Control, field: str, default: float) -> float:
    kept: Duration = getattr(control, field)
    return seconds(kept) if kept.ByteSize() else default


def check_notify(notify: control_pb2.Notify, path: str) -> list[Violation]:
    """The rules of a webhook."""
    violations = check_address(notify.url, join(path, "url"))
    for index, event in enumerate(notify.events):
        violations += check_choice(event or "(empty)", EVENTS, join(path, f"events[{index}]"))
    return violations


def check_address(url: str, path: str) -> list[Violation]:
    """It is one that can be asked over HTTP."""
    if _is_http(url):
        return []
    return [Violation(path, f"must be an http:// or https:// address, got {url!r}")]


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # brackets without an IPv6 address, a port that is none
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)
