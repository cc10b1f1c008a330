"""What carries the bytes. An engine asks the policy and never decides; the policy never knows which engine.

`engine.py` is the seam. `grpc_aio/` is the reference: a grpc.aio server and channels over raw bytes.
"""
