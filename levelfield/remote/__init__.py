"""Files that lie elsewhere: on S3, behind a web server, on Google Cloud Storage."""
