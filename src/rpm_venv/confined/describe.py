"""An interpreter's own account of itself, as JSON on stdout; also read by importing it."""

# No annotations that an old Python cannot read: it too shall say which version it is.
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER  # importlib.util has it, and costs more


def facts() -> "dict[str, object]":
    """What an environment needs to know of this interpreter, without importing much."""
    implementation = sys.implementation
    system = os.uname()
    version = ".".join(map(str, sys.version_info[:3]))
    level, serial = sys.version_info[3:]
    # platform.python_version() of a final release is bare; of the others it ends in a1, b2, rc3.
    suffix = "" if level == "final" else {"alpha": "a", "beta": "b"}.get(level, "rc") + str(serial)
    names = {"cpython": "CPython", "pypy": "PyPy"}
    return {
        "version": list(sys.version_info[:3]),
        "tag": implementation.cache_tag,
        "magic": MAGIC_NUMBER.hex(),
        "abiflags": sys.abiflags,
        "executable": os.path.realpath(sys.executable),
        "virtual": sys.prefix != sys.base_prefix,
        "markers": {
            "implementation_name": implementation.name,
            "implementation_version": version + suffix,
            "os_name": os.name,
            "platform_machine": system.machine,
            "platform_release": system.release,
            "platform_system": system.sysname,
            "platform_version": system.version,
            "python_full_version": version + suffix,
            "platform_python_implementation": names.get(implementation.name, implementation.name),
            "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "sys_platform": sys.platform,
        },
    }


if __name__ == "__main__":
    import json

    sys.stdout.write(json.dumps(facts()) + "\n")
