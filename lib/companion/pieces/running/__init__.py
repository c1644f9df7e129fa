"""Where pieces are computed: here, one a process, or on what an engine finds."""
