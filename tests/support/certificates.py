"""certificates - a private CA and certificates it signed, by openssl(1)."""

import ssl
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


_CA_CONFIG = """[ca]
default_ca = this
[this]
database = {folder}/{name}.index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def make_later_certificate(folder, ca, names, name="later"):
    """One that is valid from the year 2099 on."""
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    request, config = folder / f"{name}.csr", folder / f"{name}.cnf"
    config.write_text(_CA_CONFIG.format(folder=folder, name=name))
    (folder / f"{name}.index").write_text("")
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={','.join(names)}\n")
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-keyout", made.key, "-out", request),
    )
    _openssl(
        *("ca", "-batch", "-config", config, "-in", request, "-out", made.cert),
        *("-cert", ca.cert, "-keyfile", ca.key, "-extfile", extensions),
        *("-startdate", "20990101000000Z", "-enddate", "21000101000000Z", "-notext"),
    )
    return made


def server_context(certificate):
    """For a server that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context
