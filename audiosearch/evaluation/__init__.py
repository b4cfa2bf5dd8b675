"""Measures of retrieval, captioning, tags and word order, for any bundle.

Pure parts first (`ranking`, `normalise`, `relations`, `caption_metrics`, `scale_estimates`), then
what runs the model (`hearing`, `matrix`), then one module a benchmark, then `tables`, `figures` and
`report`, which say what came out.
"""
