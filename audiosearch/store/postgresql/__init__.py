"""Everything that is PostgreSQL's own; imported only where `[store] url` names a server."""
