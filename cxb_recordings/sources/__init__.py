"""Where recordings' bytes come from; the only importers of botocore, requests and urllib3."""
