"""HTTP/2 without sockets: frames, header compression, flow control and the rules of a connection.

Pure: bytes in, bytes out, time as an argument. Nothing here knows a policy, an engine or an event loop.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK).
"""
