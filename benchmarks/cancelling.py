"""How long a cancellation takes from the caller to the model server, beside that of a direct call.

Caller and model server are in this process, so that one clock reads both ends; the sidecar is a process of
its own. Direct calls and calls through the sidecar take turns.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator

# Read when grpc is imported: its fork handlers crash the start of a process now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import uvloop

METHODS = {
    "unary, before headers": "/understudy.v1.PredictionService/Predict",
    "stream, before headers": "/any.Service/Silent",
    "stream, after headers": "/any.Service/Speaks",
}
OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))


class Model(grpc.GenericRpcHandler):
    """Never answers; `begun` and `ended` are set when a call comes and when it is given up."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended: asyncio.Future[float] = asyncio.Future()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def hang(_requests: object, context: grpc.aio.ServicerContext) -> None:
            try:
                if details.method.endswith("Speaks"):
                    await context.send_initial_metadata((("x-model", "here"),))
                self.begun.set()
                await asyncio.Event().wait()
            finally:
                if not self.ended.done():
                    self.ended.set_result(time.perf_counter())

        return grpc.stream_stream_rpc_method_handler(hang)

    async def cancelled(self, channel: grpc.aio.Channel, method: str) -> float:
        """Seconds from the caller's cancel to the model server's end."""
        self.begun.clear()
        self.ended = asyncio.Future()
        call = channel.unary_stream(method)(b"x", timeout=30)
        await self.begun.wait()
        if method.endswith("Speaks"):
            await call.initial_metadata()
        await asyncio.sleep(0.002)  # whatever else the call set going is over
        started = time.perf_counter()
        call.cancel()
        async with asyncio.timeout(10):
            return await self.ended - started


@contextlib.asynccontextmanager
async def sidecar(target: str, engine: str) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "sidecar.yaml"
        ports = dict.fromkeys(("listen", "admin", "status"), "127.0.0.1:0")
        service = {"name": "hang", "variants": [{"name": "v1", "target": target}]}
        file.write_text(json.dumps({"kind": "Sidecar", "engine": engine, **ports, "service": service}))
        command = ("-c", "from understudy.cli import main; main()", "proxy", "--config", str(file))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, "--log-level", "error", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            yield json.loads(await process.stdout.readline())["listening"]["data"]
        finally:
            process.terminate()
            await process.wait()


async def measure(options: argparse.Namespace) -> None:
    model = Model()
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((model,))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with contextlib.AsyncExitStack() as stack:
        address = await stack.enter_async_context(sidecar(target, options.engine))
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(each, options=OPTIONS))
            for each in (target, address)
        ]
        print("| p50 (p99), ms          | direct        | through the sidecar |")
        print("|------------------------|---------------|---------------------|")
        for name, method in METHODS.items():
            times: list[list[float]] = [[], []]
            for _ in range(options.calls):
                for each, channel in zip(times, channels, strict=True):
                    each.append(1000 * await model.cancelled(channel, method))
            cells = []
            for each in times:
                quantiles = statistics.quantiles(each, n=100)
                cells.append(f"{statistics.median(each):.2f} ({quantiles[98]:.2f})")
            print(f"| {name:<22} | {cells[0]:<13} | {cells[1]:<19} |")
    await server.stop(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="grpc-aio")
    parser.add_argument("--calls", type=int, default=1000)
    uvloop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
