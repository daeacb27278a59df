"""Model projects that strangers wrote: `contract` reads what one says of itself, `sources` takes its files."""
