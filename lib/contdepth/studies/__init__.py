"""What only the book's pages use: experiments, matched comparisons, drawings. Nothing else imports it."""
