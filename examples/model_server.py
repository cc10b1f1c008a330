"""A real model server: one digit classifier behind gRPC, in both protocols.

    python -m examples.model_server --model v2 --listen 127.0.0.1:8002

Speaks `understudy.v1.PredictionService/Predict` and KServe V2. It counts what it served, callers and copies
apart, and tells at `/understudy.examples.Counts/Get` (JSON).
"""

import argparse
import asyncio
import json
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
import uvloop
from google.protobuf.message import DecodeError
from understudy.serving.announce import announce

from examples.calls import COUNTS, Served
from examples.models import speaking
from examples.models.digits import VERSIONS, Model, train

MAX_SERVED = 200_000
MIRROR_KEY = "x-understudy-mirror"

Context = grpc.aio.ServicerContext[bytes, bytes]


class DigitServer(grpc.GenericRpcHandler):
    """Answers every method of both protocols with one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._served: deque[Served] = deque(maxlen=MAX_SERVED)
        self._about = speaking.v2_about(model)
        self._predict: dict[str, tuple[Callable[[bytes], Any], Callable[..., bytes]]] = {
            speaking.PREDICT: (speaking.understudy_image, speaking.understudy_answer),
            speaking.MODEL_INFER: (speaking.v2_image, speaking.v2_answer),
        }

    def __repr__(self) -> str:
        return f"<DigitServer {self._model.name}, {len(self._served)} served>"

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """The handler of a method, or None for one that is not spoken here."""
        method = handler_call_details.method
        if method in self._predict:
            return grpc.unary_unary_rpc_method_handler(self._predicting(method))
        if method in self._about:
            return grpc.unary_unary_rpc_method_handler(self._telling(method))
        if method == COUNTS:
            return grpc.unary_unary_rpc_method_handler(self._counts)
        return None

    def _predicting(self, method: str) -> Any:
        read, write = self._predict[method]

        async def predict(request: bytes, context: Context) -> bytes:
            metadata = dict(context.invocation_metadata() or ())
            user = str(metadata.get("x-user-id", ""))
            self._served.append(Served(time.time(), user, MIRROR_KEY in metadata))
            try:
                prediction = self._model.predict(read(request))
            except (DecodeError, speaking.BadRequest) as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            await asyncio.sleep(self._model.delay)
            return write(request, self._model, prediction)

        return predict

    def _telling(self, method: str) -> Any:
        async def tell(_request: bytes, _context: Context) -> bytes:
            message: bytes = self._about[method]().SerializeToString()
            return message

        return tell

    async def _counts(self, _request: bytes, _context: Context) -> bytes:
        """Everything served, oldest first."""
        return json.dumps(list(self._served)).encode()


async def serve(model: Model, listen: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)))
    server.add_generic_rpc_handlers((DigitServer(model),))
    port = server.add_insecure_port(listen)
    await server.start()
    announce({"data": f"{listen.rpartition(':')[0]}:{port}"})
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(2)


def main() -> None:
    """Train, then serve."""
    parser = argparse.ArgumentParser(description="A digit classifier behind gRPC.")
    parser.add_argument("--model", choices=sorted(VERSIONS), required=True)
    parser.add_argument("--listen", default="127.0.0.1:8001", metavar="HOST:PORT")
    arguments = parser.parse_args()
    uvloop.run(serve(train(arguments.model), arguments.listen))


if __name__ == "__main__":
    main()
