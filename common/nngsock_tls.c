#include <string.h>

#include "common/nngsock_private.h"

bool
nngsock_tls_needed(const char *url)
{
	static const char scheme[] = "tls+";

	return strncmp(url, scheme, sizeof scheme - 1) == 0;
}

static int
set_up(nng_tls_config *config, nng_tls_mode mode, const struct nngsock_tls *tls)
{
	int rv;

	/* Versions first: what nng can do at all. */
	if ((rv = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3)) !=
		0 ||
	    (rv = nng_tls_config_auth_mode(
		 config, NNG_TLS_AUTH_MODE_REQUIRED)) != 0 ||
	    (rv = nng_tls_config_ca_chain(config, tls->ca, NULL)) != 0 ||
	    (rv = nng_tls_config_own_cert(config, tls->cert, tls->key, NULL)) !=
		0)
		return rv;
	if (mode == NNG_TLS_MODE_CLIENT && !tls->any_name)
		return nng_tls_config_server_name(config, tls->server_name);
	return 0;
}

bool
nngsock_tls_config(nng_tls_mode mode, const char *url,
    const struct nngsock_tls *tls, nng_tls_config **out, struct error *error)
{
	int rv;

	if (tls == NULL) {
		error_set(error,
		    "%s needs certificates: set RPC_TLS_CERT, RPC_TLS_KEY and "
		    "RPC_TLS_CA",
		    url);
		return false;
	}
	if (mode == NNG_TLS_MODE_CLIENT && !tls->any_name &&
	    (tls->server_name == NULL || tls->server_name[0] == '\0')) {
		error_set(
		    error, "%s: no name to verify the certificate with", url);
		return false;
	}
	rv = nng_tls_config_alloc(out, mode);
	if (rv == NNG_ENOTSUP) {
		error_set(error,
		    "%s: this nng has no TLS: install one that was built "
		    "with it",
		    url);
		return false;
	}
	if (rv == 0 && (rv = set_up(*out, mode, tls)) != 0)
		nng_tls_config_free(*out);
	if (rv != 0) {
		*out = NULL;
		error_set(error,
		    "%s: RPC_TLS_CERT, RPC_TLS_KEY and RPC_TLS_CA cannot be "
		    "used: %s",
		    url, nng_strerror(rv));
	}
	return rv == 0;
}
