"""The demonstration: asks a real module its main questions against the sandbox, and draws the answers.

__main__.py         the order of the show
machine.py          the processes, and viam-server's side of the module protocol
configuration.py    the attributes that are used and printed
fleet.py, charts.py a whole fleet: its costs, its budget, its month
charge.py           a charge whose answer is lost
view.py             everything that is written to the terminal
"""
