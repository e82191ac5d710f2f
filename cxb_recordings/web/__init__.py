"""Flask's side: requests and responses. Nothing here knows S3 or a fleet host."""
