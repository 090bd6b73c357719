"""The audit trail: a chain of hashes that the database appends to, and that anybody can check."""
