"""The gRPC API that the command line speaks: thin servicers over the services' desk and the reconciler."""
