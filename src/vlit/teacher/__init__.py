"""The teacher: any OpenAI-compatible server, asked with care for what an answer costs."""
