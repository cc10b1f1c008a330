"""The rules of TLS, on either side of a sidecar. Whether the files are there only its machine knows."""

from understudy.checks.targets import is_host, parse_target
from understudy.checks.violation import Violation, join
from understudy.v1 import service_pb2, sidecar_pb2

MAX_PATH = 4096


def check_listen_tls(tls: sidecar_pb2.ListenTls, path: str) -> list[Violation]:
    """The sidecar's own identity is named, whole."""
    violations = _check_path(tls.client_ca, join(path, "client_ca"))
    for field in ("certificate", "key"):
        name = getattr(tls, field)
        violations += _check_path(name, join(path, field))
        if not name:
            violations.append(Violation(join(path, field), "is required: a PEM file"))
    return violations


def check_variant_tls(variant: service_pb2.Variant, path: str) -> list[Violation]:
    """Who is connected to can be checked; the identity that the sidecar shows is whole, or there is none."""
    if not variant.HasField("tls"):
        return []
    tls = variant.tls
    violations = []
    for field in ("ca", "certificate", "key"):
        violations += _check_path(getattr(tls, field), join(path, field))
    for field, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(tls, other) and not getattr(tls, field):
            violations.append(Violation(join(path, field), f"is required where {other} is set"))
    if tls.server_name and not is_host(tls.server_name):
        text = f"must be a host name or an IP address, got {tls.server_name!r}"
        violations.append(Violation(join(path, "server_name"), text))
    if not tls.server_name and _is_unix(variant.target):
        text = "is required where the target is a unix socket: whose certificate to expect"
        violations.append(Violation(join(path, "server_name"), text))
    return violations


def _check_path(value: str, path: str) -> list[Violation]:
    if len(value) <= MAX_PATH and (value.isprintable() or not value):
        return []
    return [Violation(path, f"must be a file's path, of at most {MAX_PATH} printable characters")]


def _is_unix(target: str) -> bool:
    try:
        return parse_target(target).scheme == "unix"
    except ValueError:
        return False  # which is told elsewhere
