"""Moves money: double entry in two phases, idempotent, insert-only, hash-chained."""
