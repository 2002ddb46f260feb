"""The site's configuration of pip, as the one file that a confined pip gets. An edge."""

from __future__ import annotations

import configparser
import io
import os

from rpm_venv.errors import FetchError
from rpm_venv.paths import Layout
from rpm_venv.system import reading, trust

_MAX_CONFIGURATION = 1 << 20

#: The site's configuration, in the order in which pip reads it: a later file has the last word.
CONFIGURATION = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")
#: What holds where the site says nothing: an index that is not there is found out in a minute.
_DEFAULTS = {"timeout": "10", "retries": "2"}
#: Where distributions have the certificates they trust; pip's own are not the site's.
_CERTIFICATES = (
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


def configuration(layout: Layout) -> str:
    """The site's configuration as one file: root reads what nobody might not.

    ``FetchError`` where a file of it cannot be read, or is no configuration.
    """
    parser = configparser.RawConfigParser()
    # Not by REQUESTS_CA_BUNDLE, which would have the last word over the site's own cert=.
    bundle = next((path for path in _CERTIFICATES if os.path.exists(path)), "")
    parser["global"] = {**_DEFAULTS, **({"cert": bundle} if bundle else {})}
    for name in CONFIGURATION:
        try:
            trust.refuse_outside(layout.real(name), layout.root)
            text = reading.content(layout.real(name), most=_MAX_CONFIGURATION).decode()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError(f"cannot be read: {error}", subject=name) from None
        try:
            parser.read_string(text, name)
        except configparser.Error as error:
            reason = str(error).splitlines()[0]
            raise FetchError(f"is not a configuration of pip: {reason}", subject=name) from None
    out = io.StringIO()
    parser.write(out)
    return out.getvalue()


def is_alone(layout: Layout) -> bool:
    """Whether there is one index: from others, other wheels may be had."""
    text = configuration(layout)
    return not any(option in text for option in ("extra-index-url", "find-links"))
