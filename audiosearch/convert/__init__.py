"""Published models into bundles, and bundles into smaller numbers (needs the extra `train`)."""
