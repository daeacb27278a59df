"""Where contexts meet: one user story a file. Each function runs inside the transaction that its caller opened."""
