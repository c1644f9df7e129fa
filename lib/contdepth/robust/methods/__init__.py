"""Ways of adversarial training, and the loop that runs them."""
