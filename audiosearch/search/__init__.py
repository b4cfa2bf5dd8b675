"""From a query to ranked hits: candidates, rerank by cross-entropy, score."""
