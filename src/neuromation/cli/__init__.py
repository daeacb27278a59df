"""The command line: `neuromation NOUN VERB`; a thin door over the client, the agent, the worker and the libraries."""
