"""What every verb shares: `-o table|json|yaml`, `--control`, and putting an answer on standard output.

JSON and YAML follow proto3's JSON mapping with the field names of the `.proto` files.
"""

import functools
import io
import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from control.cli.connection import DEFAULT_ADDRESS, Client, check_address
from control.cli.render.text import printable


class Format(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


_output = click.option(
    "-o",
    "--output",
    type=click.Choice([each.value for each in Format]),
    default=Format.TABLE.value,
    show_default=True,
    envvar="UNDERSTUDY_OUTPUT",
    callback=lambda _context, _parameter, value: Format(value),
    help="How to show the answer.",
)
_control = click.option(
    "--control",
    "address",
    metavar="HOST:PORT",
    default=DEFAULT_ADDRESS,
    show_default=True,
    envvar="UNDERSTUDY_CONTROL",
    callback=check_address,
    help="The control service's gRPC address.",
)


def with_output(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb `-o`, as its argument `output`."""
    return _output(verb)


def with_client(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb `-o` and `--control`, as its arguments `output` and `client`."""

    @functools.wraps(verb)
    def connected(*, address: str, **arguments: Any) -> None:
        client = Client(address)
        try:
            verb(client=client, **arguments)
        finally:
            client.close()

    return _output(_control(connected))


def to_plain(message: Message) -> dict[str, Any]:
    """A message as proto3 JSON, false and empty fields included."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def show(output: Format, plain: Callable[[], Any], lines: Callable[[], Sequence[str]]) -> None:
    """Print an answer in the form asked for; only that form is made."""
    match output:
        case Format.TABLE:
            show_lines(lines())
        case Format.JSON:
            click.echo(json.dumps(plain(), indent=2, ensure_ascii=False))
        case Format.YAML:
            click.echo(to_yaml(plain()), nl=False)


def show_lines(lines: Sequence[str]) -> None:
    """Print lines with nothing in them that a terminal would obey."""
    for line in lines:
        click.echo(printable(line))


def to_yaml(plain: Mapping[str, Any] | Sequence[Any]) -> str:
    """Plain values as one YAML document, keys in the order they have."""
    from ruamel.yaml import YAML  # noqa: PLC0415  # 30 ms that only `-o yaml` needs

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    text = io.StringIO()
    yaml.dump(plain, text)
    return text.getvalue()
