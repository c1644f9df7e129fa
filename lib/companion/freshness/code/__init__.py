"""The meaning of the library's code: definitions as tokens, and what each refers to."""
