"""Runs here what a job runs in Azure: real training, serving and loading of Phi models, as processes of their own."""
