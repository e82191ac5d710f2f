"""Where recordings' bytes come from; the only importers of boto3, botocore, requests and urllib3."""
