"""Training of restoring units: patches, plans, unrolled losses."""
