"""Where the table in force comes from: the file, the control service, the last known good."""
