"""Where recordings' bytes come from; the only importers of boto3 and requests."""
