"""The edge: HTTP, command line and storage. The only floor with I/O."""
