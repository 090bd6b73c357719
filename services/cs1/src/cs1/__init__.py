"""cs1: a double-entry ledger over HTTP."""
