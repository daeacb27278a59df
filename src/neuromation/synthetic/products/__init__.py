"""Products of a shop: catalogues, built in or imported, which of them a unit shows, how they look and where they stand."""
