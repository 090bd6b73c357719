"""The staff of a works, with semantic search and an audit trail."""
