"""`tf-xai demo`: a network trained without and with an explanation loss."""
