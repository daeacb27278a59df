"""The words every part shares: money, ids, clock, errors, hashing, randomness. Knows nothing of the market."""
