"""People and organisations: who they are, what roles they hold, and the tokens they call with. Knows no money."""
