"""Units that restore a picture step by step, and the stored ones."""
