"""What rollouts are carried out with."""

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.v1 import control_pb2

from control.clock import Clock
from control.delivery.board import Board
from control.delivery.fleet import Fleet
from control.delivery.leadership import Leadership
from control.external.reader import Reader
from control.rollout.model import Settings
from control.signals import Changes
from control.store.store import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One of each; every rollout has the same."""

    store: Store
    board: Board
    fleet: Fleet
    clock: Clock
    settings: Settings
    notify: Sequence[control_pb2.Notify]
    visible: Changes  # something that an operator could see is different
    posted: Changes  # there are webhooks to deliver
    reader: Reader
    leadership: Leadership
