"""What a configuration says of TLS: which files, and whose certificate to expect."""

from dataclasses import dataclass

from understudy.v1 import service_pb2, sidecar_pb2


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files by their paths; empty where there is none. `ca` signs the other side's certificates."""

    certificate: str = ""
    key: str = ""
    ca: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(path for path in (self.certificate, self.key, self.ca) if path)


@dataclass(frozen=True, slots=True)
class VariantTls:
    """TLS towards a variant; `server_name` is empty where it is the target's host."""

    files: Files
    server_name: str = ""


def listen_files(tls: sidecar_pb2.ListenTls) -> Files:
    """Of the data port."""
    return Files(tls.certificate, tls.key, tls.client_ca)


def variant_tls(variant: service_pb2.Variant) -> VariantTls | None:
    """Of a variant; None where it is plain text."""
    if not variant.HasField("tls"):
        return None
    tls = variant.tls
    return VariantTls(Files(tls.certificate, tls.key, tls.ca), tls.server_name)
