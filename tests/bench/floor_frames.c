/*
 * floor_frames - how fast two tiers can be at all
 *
 *   floor-frames echo          prints "listening on tcp://127.0.0.1:PORT"
 *   floor-frames front URL     prints "listening on 127.0.0.1, port N"
 *
 * The front serves socketmap on libuv and sends all requests of a loop turn in
 * one message to the echo, over a raw REQ socket; the echo sends each message
 * back over a raw REP socket, as it is; the front answers "OK " and the key. No
 * msgpack, no limits, no timeouts, no pool, no cache.  A measure to hold the
 * two daemons against and nothing to run otherwise.
 *
 * A record in a message is the connection's index and the text's length, 32
 * bits each, and the text.
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "frontend/socketmap/netstring.h"

#define CLIENTS_MAX 4096
#define FRAME_BYTES 1000000
#define FRAME_FULL (FRAME_BYTES - 2 * 65536) /* send what there is */
#define REPLY_BYTES (2 * 65536)
#define READ_BYTES 65536
#define MESSAGES_PER_TURN 64
/* nng queues 64 replies for a connection and drops what is more. */
#define UNANSWERED_MAX 48
#define REQUEST_ID 0x80000001u

struct head {
	uint32_t client;
	uint32_t len;
};

struct client {
	uv_tcp_t tcp;
	size_t reply_len;
	char *reply; /* gathered during a turn */
	struct client *next_dirty;
	uint32_t index;
};

struct front {
	uv_loop_t *loop;
	uv_tcp_t listener;
	uv_prepare_t turn;
	uv_poll_t readable;
	nng_socket socket;
	uint32_t client_count;
	struct client *clients[CLIENTS_MAX];
	struct client *dirty; /* those with a reply to write */
	unsigned unanswered;  /* messages */
	size_t frame_len;
	char frame[FRAME_BYTES];
	char input[READ_BYTES];
};

static void
check(int rv, const char *what)
{
	if (rv == 0)
		return;
	(void)fprintf(stderr, "floor-frames: %s: %d\n", what, rv);
	exit(1);
}

static void
watch(uv_loop_t *loop, nng_socket socket, uv_poll_t *poll, uv_poll_cb cb)
{
	int fd;

	check(nng_socket_set_int(socket, NNG_OPT_SENDBUF, 128), "SENDBUF");
	check(nng_socket_set_int(socket, NNG_OPT_RECVBUF, 128), "RECVBUF");
	check(nng_socket_get_int(socket, NNG_OPT_RECVFD, &fd), "RECVFD");
	check(uv_poll_init(loop, poll, fd), "poll");
	check(uv_poll_start(poll, UV_READABLE, cb), "poll");
}

/* --- The front ------------------------------------------------------------ */

static void
send_frame(struct front *f)
{
	nng_msg *message;

	if (f->frame_len == 0 || f->unanswered == UNANSWERED_MAX)
		return;
	check(nng_msg_alloc(&message, f->frame_len), "message");
	memcpy(nng_msg_body(message), f->frame, f->frame_len);
	f->frame_len = 0;
	check(nng_msg_header_append_u32(message, REQUEST_ID), "header");
	check(nng_sendmsg(f->socket, message, 0), "send");
	f->unanswered++;
}

static void
on_turn(uv_prepare_t *turn)
{
	send_frame(turn->data);
}

static void
on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
	struct client *c = (struct client *)stream;
	struct front *f = stream->loop->data;
	struct slice in = { buf->base, nread > 0 ? (size_t)nread : 0 };
	struct slice text;
	size_t used;

	if (nread < 0) {
		uv_close((uv_handle_t *)stream, NULL);
		return;
	}
	while (in.len > 0 &&
	    netstring_decode(in, READ_BYTES, &text, &used) == NETSTRING_OK) {
		struct head head = { c->index, (uint32_t)text.len };

		memcpy(f->frame + f->frame_len, &head, sizeof head);
		memcpy(
		    f->frame + f->frame_len + sizeof head, text.ptr, text.len);
		f->frame_len += sizeof head + text.len;
		in.ptr += used;
		in.len -= used;
		check(f->frame_len > FRAME_FULL, "too much at once");
	}
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct front *f = handle->loop->data;

	(void)suggested;
	*buf = uv_buf_init(f->input, sizeof f->input);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct front *f = listener->loop->data;
	struct client *c = calloc(1, sizeof *c);

	check(status, "connection");
	check(c == NULL || f->client_count == CLIENTS_MAX, "clients");
	c->index = f->client_count;
	c->reply = malloc(REPLY_BYTES);
	check(c->reply == NULL, "memory");
	f->clients[f->client_count++] = c;
	check(uv_tcp_init(f->loop, &c->tcp), "tcp");
	check(uv_accept(listener, (uv_stream_t *)&c->tcp), "accept");
	(void)uv_tcp_nodelay(&c->tcp, 1);
	check(uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read), "read");
}

/* Gather "OK " and the key for its connection. */
static void
reply(struct front *f, struct client *c, struct slice text)
{
	char out[1024] = "OK ";
	const char *space = memchr(text.ptr, ' ', text.len);
	size_t key = (size_t)(text.ptr + text.len - space - 1);

	memcpy(out + 3, space + 1, key);
	if (c->reply_len == 0) {
		c->next_dirty = f->dirty;
		f->dirty = c;
	}
	c->reply_len += netstring_encode((struct slice){ out, key + 3 },
	    c->reply + c->reply_len, REPLY_BYTES - c->reply_len);
}

static void
take_frame(struct front *f, const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end) {
		struct head head;

		memcpy(&head, at, sizeof head);
		at += sizeof head;
		reply(
		    f, f->clients[head.client], (struct slice){ at, head.len });
		at += head.len;
	}
}

static void
write_replies(struct front *f)
{
	for (; f->dirty != NULL; f->dirty = f->dirty->next_dirty) {
		struct client *c = f->dirty;
		uv_buf_t buf = uv_buf_init(c->reply, (unsigned)c->reply_len);

		c->reply_len = 0;
		if (!uv_is_closing((uv_handle_t *)&c->tcp))
			(void)uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	}
}

static void
on_answers(uv_poll_t *poll, int status, int events)
{
	struct front *f = poll->data;
	nng_msg *message;

	(void)status;
	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN &&
	     nng_recvmsg(f->socket, &message, NNG_FLAG_NONBLOCK) == 0;
	     i++) {
		f->unanswered--;
		take_frame(f, nng_msg_body(message), nng_msg_len(message));
		nng_msg_free(message);
	}
	write_replies(f);
}

static void
run_front(const char *url)
{
	static struct front f;
	struct sockaddr_storage name;
	int len = sizeof name;
	struct sockaddr_in address;

	f.loop = uv_default_loop();
	f.loop->data = &f;
	check(nng_req0_open_raw(&f.socket), "socket");
	watch(f.loop, f.socket, &f.readable, on_answers);
	f.readable.data = &f;
	check(nng_dial(f.socket, url, NULL, 0), url);
	check(uv_prepare_init(f.loop, &f.turn), "prepare");
	f.turn.data = &f;
	check(uv_prepare_start(&f.turn, on_turn), "prepare");
	check(uv_ip4_addr("127.0.0.1", 0, &address), "address");
	check(uv_tcp_init(f.loop, &f.listener), "tcp");
	check(uv_tcp_bind(&f.listener, (const struct sockaddr *)&address, 0),
	    "bind");
	check(uv_listen((uv_stream_t *)&f.listener, 1024, on_connection),
	    "listen");
	check(uv_tcp_getsockname(&f.listener, (struct sockaddr *)&name, &len),
	    "name");
	printf("listening on 127.0.0.1, port %u\n",
	    (unsigned)ntohs(((struct sockaddr_in *)&name)->sin_port));
	(void)fflush(stdout);
	(void)uv_run(f.loop, UV_RUN_DEFAULT);
}

/* --- The echo ------------------------------------------------------------- */

static void
on_frames(uv_poll_t *poll, int status, int events)
{
	nng_socket *socket = poll->data;
	nng_msg *message;

	(void)status;
	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN &&
	     nng_recvmsg(*socket, &message, NNG_FLAG_NONBLOCK) == 0;
	     i++) {
		check(nng_sendmsg(*socket, message, 0), "send");
	}
}

static void
run_echo(void)
{
	static uv_poll_t readable;
	static nng_socket socket;
	nng_listener listener;
	nng_sockaddr address;

	check(nng_rep0_open_raw(&socket), "socket");
	watch(uv_default_loop(), socket, &readable, on_frames);
	readable.data = &socket;
	check(nng_listen(socket, "tcp://127.0.0.1:0", &listener, 0), "listen");
	check(nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address),
	    "address");
	printf("listening on tcp://127.0.0.1:%u\n",
	    (unsigned)ntohs(address.s_in.sa_port));
	(void)fflush(stdout);
	(void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "echo") == 0) {
		run_echo();
	} else if (argc == 3 && strcmp(argv[1], "front") == 0) {
		run_front(argv[2]);
	} else {
		(void)fprintf(stderr, "usage: floor-frames echo | front URL\n");
		return 64;
	}
	return 0;
}
