"""Bodies and answers: pydantic models, one file a noun. They make the OpenAPI document."""
