"""Compute bought by sealed reverse auction: requests, bids, exact pool selection, truthful payments, price index."""
