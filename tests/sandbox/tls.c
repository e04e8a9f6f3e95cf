#include "tls.h"

#include <errno.h>
#include <stdlib.h>

#include <gnutls/gnutls.h>

#include "common/mem.h"
#include "text.h"

struct tls_context {
	gnutls_certificate_credentials_t credentials;
};

struct tls {
	gnutls_session_t session;
	struct buffer wire; /* received, not yet read by GnuTLS */
	struct buffer *out; /* where GnuTLS writes; set for each call */
	bool established;
};

struct tls_context *
tls_context_new(const char *cert, const char *key, struct error *error)
{
	struct tls_context *ctx = mem_calloc(1, sizeof *ctx);
	int rc = gnutls_certificate_allocate_credentials(&ctx->credentials);

	if (rc == 0)
		rc = gnutls_certificate_set_x509_key_file(
		    ctx->credentials, cert, key, GNUTLS_X509_FMT_PEM);
	if (rc >= 0)
		return ctx;
	error_set(error, "%s, %s: %s", cert, key, gnutls_strerror(rc));
	tls_context_free(ctx);
	return NULL;
}

void
tls_context_free(struct tls_context *ctx)
{
	if (ctx == NULL)
		return;
	if (ctx->credentials != NULL)
		gnutls_certificate_free_credentials(ctx->credentials);
	free(ctx);
}

static ssize_t
pull(gnutls_transport_ptr_t arg, void *to, size_t size)
{
	struct tls *t = arg;
	struct slice have = buffer_slice(&t->wire);

	if (have.ptr == NULL || have.len == 0) {
		gnutls_transport_set_errno(t->session, EAGAIN);
		return -1;
	}
	if (size > have.len)
		size = have.len;
	memcpy(to, have.ptr, size);
	buffer_consume(&t->wire, size);
	return (ssize_t)size;
}

static ssize_t
push(gnutls_transport_ptr_t arg, const void *from, size_t size)
{
	struct tls *t = arg;

	text_put(t->out, (struct slice){ from, size });
	return (ssize_t)size;
}

struct tls *
tls_new(struct tls_context *ctx)
{
	struct tls *t = mem_calloc(1, sizeof *t);

	buffer_init(&t->wire, TEXT_MAX);
	if (gnutls_init(&t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK) != 0 ||
	    gnutls_set_default_priority(t->session) != 0 ||
	    gnutls_credentials_set(
		t->session, GNUTLS_CRD_CERTIFICATE, ctx->credentials) != 0)
		abort(); /* out of memory; a peer has no part in it */
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_pull_function(t->session, pull);
	gnutls_transport_set_push_function(t->session, push);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	gnutls_deinit(t->session);
	buffer_fini(&t->wire);
	free(t);
}

/* True while the handshake goes on or is done. */
static bool
handshake(struct tls *t)
{
	int rc;

	do
		rc = gnutls_handshake(t->session);
	while (
	    rc != 0 && rc != GNUTLS_E_AGAIN && gnutls_error_is_fatal(rc) == 0);
	t->established = rc == 0;
	if (rc != 0 && rc != GNUTLS_E_AGAIN)
		(void)gnutls_alert_send_appropriate(t->session, rc);
	return rc == 0 || rc == GNUTLS_E_AGAIN;
}

bool
tls_feed(struct tls *t, struct slice bytes, struct buffer *in,
    struct buffer *out, bool *eof)
{
	char clear[16384];
	ssize_t n;

	t->out = out;
	text_put(&t->wire, bytes);
	if (!t->established && !handshake(t))
		return false;
	if (!t->established)
		return true;
	while ((n = gnutls_record_recv(t->session, clear, sizeof clear)) > 0 ||
	    (n < 0 && n != GNUTLS_E_AGAIN &&
		gnutls_error_is_fatal((int)n) == 0))
		if (n > 0)
			text_put(in, (struct slice){ clear, (size_t)n });
	*eof = n == 0;
	return n == 0 || n == GNUTLS_E_AGAIN;
}

bool
tls_write(struct tls *t, struct slice clear, struct buffer *out)
{
	t->out = out;
	while (clear.len > 0) {
		ssize_t n =
		    gnutls_record_send(t->session, clear.ptr, clear.len);

		if (n < 0)
			return false;
		clear.ptr += n;
		clear.len -= (size_t)n;
	}
	return true;
}

void
tls_bye(struct tls *t, struct buffer *out)
{
	t->out = out;
	if (t->established)
		(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
}
