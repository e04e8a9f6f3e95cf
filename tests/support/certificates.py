"""certificates - a private CA and certificates it signed, by openssl(1)."""

import subprocess
from pathlib import Path
from typing import NamedTuple

DAYS = "2"


class Certificate(NamedTuple):
    cert: Path
    key: Path


def _openssl(*arguments):
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60
    )


def make_ca(folder, name="ca"):
    """A self-signed CA."""
    ca = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", DAYS, "-subj", f"/CN=test {name}"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign"),
        *("-keyout", ca.key, "-out", ca.cert),
    )
    return ca


def make_certificate(
    folder, ca, names, name="server", usage="serverAuth", days=DAYS
):
    """A certificate for these subject alternative names ("IP:127.0.0.1").

    usage is extendedKeyUsage, or None; with negative days it has expired.
    """
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    request = folder / f"{name}.csr"
    extensions = folder / f"{name}.ext"
    extensions.write_text(
        f"subjectAltName={','.join(names)}\n"
        + (f"extendedKeyUsage={usage}\n" if usage else "")
    )
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-keyout", made.key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", ca.cert, "-CAkey", ca.key),
        *("-CAcreateserial", "-days", days, "-extfile", extensions),
        *("-out", made.cert),
    )
    return made
