/*
 * nngsock_private - what the nngsock*.c share; nobody else includes it
 *
 * The only header that names nng's types.
 */
#ifndef COMMON_NNGSOCK_PRIVATE_H
#define COMMON_NNGSOCK_PRIVATE_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdatomic.h>

#include "common/nngsock.h"

#define NNGSOCK_URLS_MAX 128

struct nngsock_listener {
	nng_listener nng; /* of an open one */
	bool open;
	bool tls;
	char *url; /* with a numeric host and the port it was bound to */
	uint16_t port;
	uint64_t counted[NNGSOCK_USELESS]; /* of nng's statistics so far */
};

struct nngsock {
	uv_loop_t *loop;
	nng_socket socket;
	uv_poll_t readable;
	int receive_fd; /* nng's, readable while a message is there */
	uv_async_t pipes_changed;
	unsigned handles; /* open libuv handles; 0 frees */
	struct nngsock_events events;
	atomic_uint pipes; /* written by nng's threads */
	bool dials;
	nng_dialer dialer; /* if it dials; nng's threads read both */
	unsigned pipes_told;
	bool closed;

	size_t listener_count;
	struct nngsock_listener listeners[NNGSOCK_URLS_MAX];
	/* What TLS listeners show, and what they showed before: nng reads the
	 * pointer without a lock, so what it pointed to has to live on. */
	nng_tls_config *tls, *tls_before;
	struct nngsock_nudge *nudges;

	/* nngsock_useless.c; notes are NULL if it dials. */
	atomic_uchar *notes;
	_Atomic uint64_t ended_foreign, ended_unused;
	uint64_t useless[NNGSOCK_USELESS];
};

/* The socket with its options and events, not yet connected to anything. */
struct nngsock *nngsock_open(uv_loop_t *loop, int (*open_raw)(nng_socket *),
    size_t message_max, const struct nngsock_events *events,
    struct error *error) __attribute__((warn_unused_result));

/* Before nng sends: have the linker and the loader find nngsock_sendmsg.c. */
void nngsock_sendmsg_init(void);

/* The same for nngsock_stream.c, before nng sends or receives. */
void nngsock_stream_init(void);

/* A libuv handle that points to s has been closed; the last one frees. */
void nngsock_release(struct nngsock *s);

/* Stop what the listeners have going on the loop; then free it. */
void nngsock_listeners_close(struct nngsock *s);
void nngsock_listeners_fini(struct nngsock *s);

/* What becomes of a pipe; init first, on a socket that listens. */
void nngsock_useless_init(struct nngsock *s);
void nngsock_note_added(struct nngsock *s, uint32_t pipe);
void nngsock_note_accepted(struct nngsock *s, uint32_t pipe);
void nngsock_note_spoken(struct nngsock *s, uint32_t pipe);
void nngsock_note_ended(struct nngsock *s, uint32_t pipe);

bool nngsock_tls_needed(const char *url);

/*
 * A configuration that verifies the other side.  False, with the reason in
 * *error, when tls is NULL, cannot be used or has no name to verify.
 */
bool nngsock_tls_config(nng_tls_mode mode, const char *url,
    const struct nngsock_tls *tls, nng_tls_config **out, struct error *error)
    __attribute__((warn_unused_result));

#endif
