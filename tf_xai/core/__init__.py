"""The numeric core: scores, gradients, variants of a batch, baselines. Imports nothing else of tf_xai."""
