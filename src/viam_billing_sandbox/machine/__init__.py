"""A stand-in for viam-server on one machine: the real module, the sandbox cloud, and the way to them for SDK clients.

    client or browser --- gRPC or gRPC-web, one port of loopback ---> machine --- gRPC, unix socket ---> module
                                                                        ^                                |   |
                                                                        `----- unix socket (parent) -----'   v
                                                                                                          sandbox

__main__.py     the command line
machine.py      starts and ends everything
scenes.py       what there is to see; past.py makes up the months before, first_steps.py does what a scene begins with
module.py       the module's process, as viam-server starts it, feeds it and starts it again
calls.py        the machine's calls, for both protocols; robot.py answers those of the machine itself
listener.py     the port: gRPC is passed on to grpc_server.py, HTTP/1.1 goes to web.py
web.py          HTTP/1.1: a request, an answer; grpc_web.py and pages.py answer
control.py      kills, stops and starts on demand
"""
