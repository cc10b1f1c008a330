"""Services, slots and sidecars as lines."""

from collections.abc import Sequence

from understudy.v1 import service_pb2, services_pb2

from control.cli.render import figures
from control.cli.render.text import INDENT, pairs, table


def render_services(statuses: Sequence[services_pb2.ServiceStatus], now: float) -> list[str]:
    """One row each."""
    if not statuses:
        return ["no services; apply one with `understudy service apply -f service.yaml`"]
    rows = [
        (
            each.service.name,
            stable(each.service),
            ", ".join(variant.name for variant in each.service.variants),
            each.rollout or "-",
            figures.snapshot(each.epoch, each.version),
            figures.age(each.updated_at, now),
        )
        for each in statuses
    ]
    return table(("NAME", "STABLE", "VARIANTS", "ROLLOUT", "SNAPSHOT", "CHANGED"), rows)


def render_service(status: services_pb2.ServiceStatus, now: float) -> list[str]:
    """One service as it is in force, and the last minute of each variant."""
    service = status.service
    entries = [
        ("stable", stable(service)),
        ("fallback", service.fallback or stable(service)),
        ("rollout", status.rollout or "none"),
        ("snapshot", figures.snapshot(status.epoch, status.version)),
        ("changed", f"{figures.moment(status.updated_at)}, {figures.age(status.updated_at, now)}"),
    ]
    lines = [service.name, *pairs(entries), "", *_variants(status), ""]
    return lines + (_routes(service) or [f"{INDENT}no routes: every call goes to the fallback variant"])


def render_slots(service: str, slots: services_pb2.SlotStatus, note: str = "") -> list[str]:
    """Blue/green: which slot takes the traffic, and what stands in each."""
    rows = [
        (
            name,
            slot.model_version or "-",
            "active" if slot.is_active else "idle",
            figures.moment(slot.deployed_at),
        )
        for name, slot in sorted(slots.slots.items())
    ]
    first = f"{service}: {slots.active_slot or 'no slot'} takes the traffic" + (f", {note}" if note else "")
    return [first, *table(("SLOT", "VERSION", "STATE", "DEPLOYED"), rows, INDENT)]


def render_sidecars(sidecars: Sequence[services_pb2.SidecarStatus], now: float) -> list[str]:
    """One row each, and a line under one that refused."""
    if not sidecars:
        return ["no sidecars; one connects with `control:` and `subscribe:` in its sidecar.yaml"]
    rows = [
        (
            each.node,
            each.service,
            "yes" if each.connected else "no",
            figures.snapshot(each.epoch, each.version),
            figures.snapshot(each.sent_epoch, each.sent_version),
            each.answer or "-",
            figures.age(each.answered_at, now),
            figures.age(each.reported_at, now),
        )
        for each in sidecars
    ]
    header = ("NODE", "SERVICE", "CONNECTED", "RUNS", "SENT", "ANSWER", "ANSWERED", "REPORTED")
    lines = table(header, rows)
    refused = [f"{each.node} refused the snapshot: {each.error}" for each in sidecars if each.error]
    return [*lines, "", *refused] if refused else lines


def stable(service: service_pb2.Service) -> str:
    """The stable variant's name, the default worked out."""
    return service.stable or (service.variants[0].name if service.variants else "-")


def _variants(status: services_pb2.ServiceStatus) -> list[str]:
    seen = {each.name: each for each in status.variants}
    rows = [
        (
            variant.name,
            variant.version or "-",
            variant.target or "-",
            *_figures(seen.get(variant.name, services_pb2.VariantStatus())),
        )
        for variant in status.service.variants
    ]
    header = ("VARIANT", "VERSION", "TARGET", "LIVE AT", "CALLS", "ERRORS", "P50", "P99", "COPIES", "MATCH")
    return table(header, rows, INDENT)


def _figures(status: services_pb2.VariantStatus) -> tuple[str, ...]:
    live = status.live
    return (
        f"{status.live_at} of {status.seen_by}" if status.seen_by else figures.NOT_MEASURED,
        _rate(live, status),
        figures.ratio(live.error_rate) if live.HasField("error_rate") else figures.NOT_MEASURED,
        figures.latency_of(live, "latency_p50"),
        figures.latency_of(live, "latency_p99"),
        _rate(status.mirrored, status),
        figures.ratio(status.match_rate) if status.HasField("match_rate") else figures.NOT_MEASURED,
    )


def _rate(arm: services_pb2.LiveFigures, status: services_pb2.VariantStatus) -> str:
    """Nobody who could have seen a call is not the same as no call."""
    is_measured = status.seen_by or arm.calls
    return figures.per_second(arm.calls_per_second) if is_measured else figures.NOT_MEASURED


def _routes(service: service_pb2.Service) -> list[str]:
    rows = [(route.name, _match(route.match), _split(route), _mirrors(route)) for route in service.routes]
    return table(("ROUTE", "FITS", "SPLIT", "COPIES TO"), rows, INDENT) if rows else []


def _split(route: service_pb2.Route) -> str:
    total = sum(route.split.weights.values())
    shares = sorted(route.split.weights.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{name} {figures.ratio(weight / total)}" for name, weight in shares) if total else "-"


def _mirrors(route: service_pb2.Route) -> str:
    return ", ".join(f"{each.variant} {figures.percent(each.percent)}" for each in route.mirrors) or "-"


def _match(match: service_pb2.Match) -> str:
    methods = " or ".join(match.methods)
    parts = [methods] if methods else []
    parts += [_header(each) for each in match.headers]
    return " and ".join(parts) or "every call"


def _header(header: service_pb2.HeaderMatch) -> str:
    match header.WhichOneof("test"):
        case "exact":
            return f"{header.name} = {header.exact}"
        case "prefix":
            return f"{header.name} = {header.prefix}*"
        case "regex":
            return f"{header.name} ~ {header.regex}"
        case _:
            return f"{header.name} is {'there' if header.present else 'not there'}"
