"""The relay: moves HTTP/2 frames between callers and model servers, in plain Python on uvloop.

It pays for each readable socket, not for each call: a read is parsed in one loop, what is to be written
gathers per connection, and every connection is written once. A call is no task, no future and no closure; it
is an `Exchange`, moved on by the frames of either side.

    caller ── CallerConnection ── Exchange ── ServerConnection ── model server
                                     │              └─ one of an Address, of an Upstream
                                  Door: the policy, shared with every engine

`requests.py`, `answers.py` and `wheel.py` are pure, as is `proxy.http2`, which they rest on.
"""
