/*
 * tls - a TLS server over bytes in memory
 *
 * The connection moves the bytes; this turns them into clear text and back,
 * so that every fault works under https too.  The only file that calls
 * GnuTLS.
 */
#ifndef SANDBOX_TLS_H
#define SANDBOX_TLS_H

#include "common/buffer.h"
#include "common/error.h"

struct tls_context;
struct tls;

/* Read a PEM chain and its key; NULL with *error.  Every tls of a context
 * must be freed before it. */
struct tls_context *tls_context_new(const char *cert, const char *key,
    struct error *error) __attribute__((warn_unused_result));
void tls_context_free(struct tls_context *ctx);

struct tls *tls_new(struct tls_context *ctx);
void tls_free(struct tls *t);

/*
 * Take bytes from the wire: clear text goes to in, what the peer must be sent
 * to out.  False when the session failed; *eof when the peer ended it.
 */
bool tls_feed(struct tls *t, struct slice bytes, struct buffer *in,
    struct buffer *out, bool *eof) __attribute__((warn_unused_result));

/* Encrypt clear text to out; false when the session failed. */
bool tls_write(struct tls *t, struct slice clear, struct buffer *out)
    __attribute__((warn_unused_result));

/* Append the closing alert to out. */
void tls_bye(struct tls *t, struct buffer *out);

#endif
