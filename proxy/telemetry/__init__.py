"""Telling others: spans of sampled calls, reports to the control service, metrics to Prometheus."""
