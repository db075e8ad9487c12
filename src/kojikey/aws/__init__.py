"""AWS for the DynamoDB store and KMS: client, session, settings and errors."""
