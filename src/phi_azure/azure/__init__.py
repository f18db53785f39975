"""Everything that speaks to Azure; nothing else in the package imports azure."""
