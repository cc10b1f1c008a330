"""What the sidecar's engines cost per relayed call, beside HAProxy and nginx, in one run.

gRPC's C++ client (by its Python face) on 4 connections of 16 streams calls an echo server through each in
turn: 128-byte messages, and a user id, a traceparent and a deadline that differ from call to call. CPU is the
proxy's own, from /proc. Envoy joins where its binary is named (--envoy).
"""

import argparse
import asyncio
import contextlib
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import grpc
import uvloop

from benchmarks.cost_per_call import MESSAGE, METHOD, OPTIONS, SIDECAR, TICKS, cpu_seconds, start

TYPES = "type.googleapis.com/envoy.extensions"
CONNECTIONS = 4
STREAMS = 16

HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port} proto h2
  default_backend back
backend back
  server model {target} proto h2
"""

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  upstream model {{ server {target} max_fails=0; keepalive 1024; }}
  server {{
    listen 127.0.0.1:{port} http2;
    keepalive_requests 100000000;
    client_max_body_size 0;
    location / {{ grpc_pass grpc://model; }}
  }}
}}
"""

ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          codec_type: HTTP2
          http_filters:
          - name: router
            typed_config: {{"@type": {types}.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: v, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: model}}}}]}}
  clusters:
  - name: model
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": {types}.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: model
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {model}}}}}}}
"""


class Proxy:
    """One that runs: its processes, whose CPU counts, and where it listens."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", address: str) -> None:
        self.name = name
        self.process = process
        self.address = address

    def cpu(self) -> float:
        return sum(map(cpu_seconds, self._processes()))

    def in_kernel(self) -> float:
        """Seconds of it that the kernel took: sockets and waiting for them."""
        stats = [pathlib.Path(f"/proc/{pid}/stat").read_text() for pid in self._processes()]
        return sum(int(each.rpartition(")")[2].split()[12]) for each in stats) / TICKS

    def memory(self) -> float:
        """Resident, in MB; of several processes the shared pages count for each."""
        status = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in self._processes()]
        return sum(int(each.split("VmRSS:")[1].split()[0]) for each in status) / 1024

    def _processes(self) -> list[int]:
        task = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}")
        return [self.process.pid, *map(int, (task / "children").read_text().split())]


@contextlib.contextmanager
def proxies(target: str, envoy: str) -> Iterator[list[Proxy]]:
    """Everything that is installed."""
    found: list[Proxy] = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            for engine in ("relay", "grpc-aio"):
                config = folder / f"{engine}.yaml"
                config.write_text(f"engine: {engine}" + SIDECAR.format(target=target))
                command = (sys.executable, "-c", "from understudy.cli import main; main()")
                found.append(Proxy(engine, *start(*command, "proxy", "--config", str(config))))
            for tool, template, arguments in (
                ("haproxy", HAPROXY, ["-f"]),
                ("nginx", NGINX, ["-c"]),
                (envoy, ENVOY, ["--concurrency", "1", "--disable-hot-restart", "-l", "off", "-c"]),
            ):
                path = shutil.which(tool, path="/usr/sbin:/usr/bin:/usr/local/bin:.") if tool else None
                if path is None:
                    continue
                port = random.randint(20000, 60000)
                config = folder / f"{pathlib.Path(tool).name}.yaml"
                model = target.rpartition(":")[2]
                said = {"port": port, "target": target, "folder": folder, "model": model, "types": TYPES}
                config.write_text(template.format(**said))
                process = subprocess.Popen(
                    [path, *arguments, str(config)], stderr=subprocess.DEVNULL, text=True
                )
                found.append(Proxy(pathlib.Path(tool).name, process, f"127.0.0.1:{port}"))
            yield found
        finally:
            for one in found:
                one.process.terminate()
                one.process.wait()


async def load(address: str, calls: int) -> None:
    """So many calls, over every stream of every connection."""
    async with contextlib.AsyncExitStack() as stack:
        options = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
            for _ in range(CONNECTIONS)
        ]
        numbers = iter(range(calls))

        async def caller(channel: grpc.aio.Channel) -> None:
            predict = channel.unary_unary(METHOD)
            for number in numbers:
                trace = f"00-{random.getrandbits(128) or 1:032x}-{number + 1:016x}-00"
                metadata = (("x-user-id", f"user-{number}"), ("traceparent", trace))
                await predict(MESSAGE, timeout=10 + number % 1000 / 100, metadata=metadata)

        await asyncio.gather(*(caller(channel) for channel in channels for _ in range(STREAMS)))


async def compare(rounds: int, calls: int, envoy: str) -> None:
    model, target = start(sys.executable, "-m", "benchmarks.cost_per_call", "--serve")
    try:
        with proxies(target, envoy) as found:
            await asyncio.sleep(1)
            cpu: dict[str, list[float]] = {one.name: [] for one in found}
            kernel: dict[str, list[float]] = {one.name: [] for one in found}
            for one in found:
                await load(one.address, 500)
            for _ in range(rounds):
                for one in found:
                    before, kernel_before = one.cpu(), one.in_kernel()
                    await load(one.address, calls)
                    cpu[one.name].append((one.cpu() - before) / calls * 1e6)
                    kernel[one.name].append((one.in_kernel() - kernel_before) / calls * 1e6)
            print("| proxy    | CPU per call, µs | least | in the kernel | memory, MB |")
            print("|----------|------------------|-------|---------------|------------|")
            for one in found:
                middle, least = statistics.median(cpu[one.name]), min(cpu[one.name])
                part = statistics.median(kernel[one.name])
                print(
                    f"| {one.name:8} | {middle:16.0f} | {least:5.0f} | {part:13.0f} | {one.memory():10.0f} |"
                )
    finally:
        model.terminate()
        model.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--envoy", default="envoy", help="Envoy's binary")
    arguments = parser.parse_args()
    uvloop.run(compare(arguments.rounds, arguments.calls, arguments.envoy))


if __name__ == "__main__":
    main()
