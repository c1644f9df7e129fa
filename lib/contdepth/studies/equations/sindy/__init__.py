"""What the page on sparse regression for ordinary equations uses."""
