"""Learning to stop while learning to predict: units, policies and drawings of the page."""
