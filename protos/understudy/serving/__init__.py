"""What any process of ours needs to be one: an address, a log, an HTTP door, a word when it is ready."""
