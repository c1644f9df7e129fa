"""What is said of the book as a whole: status, scorecard, open data, verdicts, breaches."""
