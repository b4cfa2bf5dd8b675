"""The library's database: schema, sessions, named queries, vector search."""
