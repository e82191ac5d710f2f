"""What is decided about a playback, and what keeps it alive. No Flask, no botocore, no requests, no sockets."""
