"""HTTP in, one workflow call, HTTP out. Knows status codes; refuses to know rules."""
