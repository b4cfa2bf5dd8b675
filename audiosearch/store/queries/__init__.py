"""Named queries; each takes a Session, and the caller owns the transaction."""
