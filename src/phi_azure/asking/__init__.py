"""Asking an endpoint: shapes of questions and answers, streams, patience, batches. Values and threads, no HTTP."""
