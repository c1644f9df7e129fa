"""One continuous flow through snapshots of a population, and exact distances between samples."""
