"""Pages run: by papermill, one process a page, each run stored with its record."""
