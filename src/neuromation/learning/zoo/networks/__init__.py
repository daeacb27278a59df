"""The zoo's networks as torch modules; owns layers, losses and decoding, refuses to know names and orders."""
