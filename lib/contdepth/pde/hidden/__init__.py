"""Hidden physics models: coefficients of an equation from two snapshots, by a Gaussian process that obeys it."""
