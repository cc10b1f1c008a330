"""From what is stored, in force and seen, to the messages that the API answers with and the page shows."""
