"""Content-addressed blobs: their bytes, and who may read them. Knows not what they mean."""
