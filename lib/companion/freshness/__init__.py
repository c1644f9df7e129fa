"""Does a stored run still speak for the book? What its numbers depend on, and what has changed since."""
