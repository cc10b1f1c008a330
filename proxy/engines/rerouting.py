"""Where a call goes when its first address was not there to take it.

Tried once more, within its deadline, is only what surely reached nobody: on another address of the variant,
else at the fallback. Everything that may have reached a model server is its caller's to send again.
"""

from proxy.engines.calls import Call
from proxy.engines.door import Door
from proxy.engines.upstream import A
from proxy.policy.deadlines import wire_exact


def moved(door: Door[A], call: Call[A], now: float, *, or_again: bool = False) -> A | None:
    """The next address for a call that surely reached nobody; None where it was moved already.

    With `or_again`, the same address before the fallback: it is there, and only did not take this call up.
    """
    address = call.address
    if call.is_moved or address is None:
        return None
    if call.timeout is not None:
        rest = call.timeout - (now - call.started)
        if rest <= 0:
            return None
        call.timeout = wire_exact(rest)
    call.is_moved = True
    found = call.upstream.usable_address(without=address) or (address if or_again else None)
    found = found or _at_fallback(door, call, address)
    call.address = found or address
    return found


def _at_fallback(door: Door[A], call: Call[A], dead: A) -> A | None:
    """An address of the fallback, which then counts the call as its own to carry."""
    fallback = call.in_force.table.fallback
    upstream = call.in_force.live(fallback)
    found = upstream.usable_address(without=dead)
    if call.variant is fallback or found is None or not door.limits.enter_variant(fallback.name):
        return None
    door.limits.leave_variant(call.variant.name)
    if not call.marked:
        door.ledger.fallback(call.in_force.table, call.route.name, call.intended.name, call.bucket)
    if call.trace is not None:
        call.trace.annotate({"understudy.variant": fallback.name})
    call.variant, call.upstream = fallback, upstream
    return found
