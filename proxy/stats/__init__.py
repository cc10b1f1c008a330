"""What was seen: plain counters that cost a call next to nothing, read by reports and scrapes."""
