"""The register of what the ledgers said, and when it changed."""
