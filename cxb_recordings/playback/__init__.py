"""What is decided about a playback, and what keeps it alive. No Flask, no boto3, no requests, no sockets."""
