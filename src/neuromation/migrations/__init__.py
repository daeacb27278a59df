"""The database's shape, one numbered SQL file a context, forward only (docs/adr/0003)."""
