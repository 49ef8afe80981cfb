"""What makes the stored references needs packages that the project does without."""

collect_ignore = ["make.py", "make_metrics.py", "make_saliency.py"]
