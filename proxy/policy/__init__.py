"""What becomes of a call, decided without touching it: a frozen table, and pure functions over it."""
