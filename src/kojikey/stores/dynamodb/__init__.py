"""The Amazon DynamoDB store."""
