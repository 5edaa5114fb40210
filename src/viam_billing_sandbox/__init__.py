"""A Viam cloud for one machine: development, tests and the demonstration run against it; robots never get it.

cli.py                what `python -m viam_billing_sandbox` runs
server/               HTTP/2 and gRPC: connections, calls, answers
faults.py             what can go wrong on demand
cloud.py              the cloud's state: tokens, records, who may see what
methods.py            the table of calls; app_calls.py and billing_calls.py do their work
scenario.py           the data at the start, read by scenario_file.py or made by fleet.py
control_service.py    steers a running sandbox (patch.py changes its state); control.py is its client, and the machine's
machine/              a stand-in for viam-server: the module behind gRPC and gRPC-web, for SDK clients and browsers
child.py              the processes that machine/ and demo/ start
demo/                 the demonstration
"""
