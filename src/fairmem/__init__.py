"""fairmem trains, evaluates, audits and serves the memory of LLM agents."""

__version__ = "0.1.0"
