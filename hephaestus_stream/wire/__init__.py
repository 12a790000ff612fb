"""The wire contract: topics, keys, commands and outputs as JSON. Client and worker meet here."""
