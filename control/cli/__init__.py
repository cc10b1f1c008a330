"""The command line: every verb but the processes is a client of the control service's gRPC API.

    verb (click) ── connection (one call, errors in words) ──▶ message ── render (pure) ──▶ lines
                                                                     └── output ──▶ JSON or YAML

A verb asks, shows the answer and sets the exit code; it decides nothing itself. 0: done. 1: the operation
failed, or the rollout is not healthy. 2: usage, or a file that breaks a rule.
"""
