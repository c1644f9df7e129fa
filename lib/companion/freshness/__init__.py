"""What makes a stored run fresh, and how an older run goes on being evidence: digests, history, carried runs."""
