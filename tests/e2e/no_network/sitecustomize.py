"""Loaded by every Python process of the chain under test: it refuses and notes what would leave this machine."""

import os
import socket

_connect = socket.socket.connect


def connect(self, address):
    if self.family != socket.AF_UNIX:
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{address}\n")
        raise OSError("this test allows no network")
    return _connect(self, address)


def getaddrinfo(host, *args, **kwargs):
    with open(os.environ["NETWORK_LOG"], "a") as log:
        log.write(f"look-up of {host}\n")
    raise socket.gaierror("this test allows no network")


socket.socket.connect = connect
socket.getaddrinfo = getaddrinfo
