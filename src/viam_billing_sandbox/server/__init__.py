"""The gRPC server of the sandbox, written on HTTP/2 frames so that it can break every rule of the protocol on demand.

    listener.py    accepts connections (TCP, unix socket, TLS), or refuses and ignores them
    http2.py       one connection: requests in, answers out, flow control, raw frames
    stream.py      one request and its answer on it
    output.py      what a connection writes, or swallows
    grpc.py        gRPC's messages and trailers inside an HTTP/2 stream
    answers.py     sends an answer, spoilt in the way that a fault asks for
    calls.py       one call from its request to its answer: faults, token, work

It shares no code with gRPC core, which the module uses as its client.
"""
