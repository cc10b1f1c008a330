"""Metrics of other systems: what is asked of them, what their answers say, and who asks in good time."""
