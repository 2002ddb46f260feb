"""Throw-away RPM hosts: real rpmbuild, rpm and dnf on a system that is thrown away.

A *host* is a set of namespaces with overlays over the running system's directories, an rpm
database of its own and a ``file://`` repository. Tests and the demo use the same ones::

    with Hosts() as hosts:
        host = hosts.fresh(hosts.system())
        host.publish(*host.build(SPEC))
        host.dnf("install", "app1")
        print(host.read("/opt/app1/version"))
"""

from tests.host.host import CommandFailed, Host, Result
from tests.host.hosts import Base, Hosts
from tests.host.rpmtools import RpmTools
from tests.host.snapshot import Snapshot

__all__ = ["Base", "CommandFailed", "Host", "Hosts", "Result", "RpmTools", "Snapshot"]
