"""Things to try Understudy with: real models behind a real gRPC server, traffic, and the demo."""
