"""What runs leave in MLflow: the only package that imports it."""
