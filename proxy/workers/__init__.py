"""`workers: N`: several processes on one data port, and the parent that keeps them.

The parent holds the port, the admin and the status port, starts each worker anew when it ends, and shows all
of them as one. It never carries a call, and so imports no gRPC. A worker is a whole sidecar by itself: it
listens on the data port beside the others (SO_REUSEPORT), has a share of the limits, its own name at the
control service and its own last known good. It serves as long as its parent holds the other end of its
standard input: when that closes, it drains, whether the parent asked for it or was killed.

```
             ┌─ parent: admin, status ─┐
  stdin, out │   unix:DIR/PID.sock     │ HTTP
             ▼                         ▼
          worker 0 … worker N-1, all on the data port
```
"""
