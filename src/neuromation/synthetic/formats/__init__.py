"""How data sets are stored: Parquet shards, manifest, Croissant, card, exports. Knows no generator by name."""
