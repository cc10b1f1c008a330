"""The reference engine: a `grpc.aio` server and channels that pass raw bytes.

    server ─▶ forward (unary, streaming) ─▶ upstream ─▶ model server
                 └─▶ mirror ─▶ shadow

What gRPC's own stack does not let a proxy do: messages are decompressed on the way, the caller's
`user-agent` and `:authority` do not pass, and the status of a call that the model server ends while the
caller is still writing can arrive as INTERNAL (https://github.com/grpc/grpc/issues/36066).
"""
