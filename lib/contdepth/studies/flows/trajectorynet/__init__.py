"""TrajectoryNet on snapshots whose law between the times is known, and on cells of four hours."""
