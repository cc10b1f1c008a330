"""Channel and server arguments, each with its reason."""

from proxy.engines.engine import Listening

MAX_METADATA = 64 * 1024
WINDOW = 256 * 1024
HANDSHAKE = 10.0
"""Seconds that a caller's TLS handshake may take."""
MIRROR_WINDOW = 64 * 1024
"""What a copy's answer may bring before it is counted, as many times as copies are under way."""

# Of an argument given twice the first counts: each stands in one place only.
_COMMON = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA),
    # A window that is as large as the link allows would let each call of a peer that does not read hold
    # megabytes here; a message that is being read has as much as it needs, whatever its window.
    ("grpc.http2.bdp_probe", 0),
)

_SERVER = (
    *_COMMON,
    ("grpc.http2.lookahead_bytes", WINDOW),
    # The sidecar is never the smaller limit: gRPC's default would refuse messages above 4 MiB.
    ("grpc.max_receive_message_length", -1),
    # Callers' keepalive pings are answered, however often; nobody is struck out for them.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
)


def server(listening: Listening) -> tuple[tuple[str, int | str], ...]:
    """Arguments of the server that callers connect to."""
    # A taken port is an error, not a second listener, where nothing else is asked for.
    arguments: list[tuple[str, int | str]] = [*_SERVER, ("grpc.so_reuseport", int(listening.is_shared))]
    if listening.max_connection_age is not None:
        # GOAWAY, then the calls of the connection for as long as they take: there is no grace by default.
        arguments.append(("grpc.max_connection_age_ms", max(1, round(listening.max_connection_age * 1000))))
    if listening.tls is not None:
        arguments.append(("grpc.server_handshake_timeout_ms", round(HANDSHAKE * 1000)))
    return tuple(arguments)


def channel(authority: str, max_receive: int, server_name: str = "") -> tuple[tuple[str, int | str], ...]:
    """Arguments of a channel to a model server; `max_receive` in bytes, -1 for no limit."""
    arguments: list[tuple[str, int | str]] = [
        *_COMMON,
        ("grpc.http2.lookahead_bytes", WINDOW if max_receive < 0 else MIRROR_WINDOW),
        ("grpc.max_receive_message_length", max_receive),
        # Environment variables for web proxies must never reroute predictions.
        ("grpc.enable_http_proxy", 0),
        # A channel has connections of its own: a stalled shadow shares none with its primary.
        ("grpc.use_local_subchannel_pool", 1),
        # There is no retry policy. What this turns on is gRPC's own second try of a call that, by the
        # model server's GOAWAY, surely was not taken up there: nothing else tells it from one that was.
        ("grpc.enable_retries", 1),
        # gRPC core writes a deadline that it wrote before on a connection once more, where that is at most
        # three hundredths longer. Without a table of what was written it cannot.
        ("grpc.http2.hpack_table_size.encoder", 0),
        # A model server that comes back is found within a second; the default backs off to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    if server_name:
        # Whose certificate is expected, whatever address it is that is connected to.
        arguments.append(("grpc.ssl_target_name_override", server_name))
        host = authority.rpartition(":")[0].strip("[]")
        if host and host != server_name:
            authority = host  # of another name, gRPC core takes no port: its calls would fail
    if authority:
        arguments.append(("grpc.default_authority", authority))
    return tuple(arguments)
