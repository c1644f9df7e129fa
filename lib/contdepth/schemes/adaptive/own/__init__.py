"""Steps of their own for the members of a batch: their controller, counts, ends and roots."""
