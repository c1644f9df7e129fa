"""What the page on Gaussian processes that obey an equation uses."""
