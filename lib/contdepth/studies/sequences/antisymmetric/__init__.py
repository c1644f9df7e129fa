"""AntisymmetricRNN: what its equation promises, what its step keeps, and what that is worth beside an LSTM."""
