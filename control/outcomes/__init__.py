"""What became known of past predictions: from a ticket and a result to counts of an arm."""
