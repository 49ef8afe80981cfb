"""Arrays in, figures or uint8 images out. Imports nothing else of tf_xai."""
