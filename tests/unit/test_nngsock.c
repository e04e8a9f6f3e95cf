#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/nngsock.h"
#include "tests/unit/certificates.h"

#define MESSAGE_MAX 262144
#define PATIENCE_MS 20000
#define REFUSAL_MS 600 /* nng tries several times in it */

/* One side of a conversation: what it saw. */
struct end {
	struct nngsock *socket;
	bool echoes;
	unsigned pipes;
	unsigned messages;
	uint64_t bytes;
	uint32_t last_id;
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t timer;
	bool expired;
	struct end listener, dialer;
	char folder[32];
};

/* Made once: what a pair of tiers may show each other. */
static struct {
	struct certificate ca, other_ca;
	struct certificate server, server_by_ip, other_server, old_server;
	struct certificate client, other_client, old_client, only_server;
} made;

/* --- Both ends ----------------------------------------------------------- */

static void
on_message(void *arg, struct slice header, struct slice body)
{
	struct end *end = arg;

	end->messages++;
	end->bytes += body.len;
	if (header.len >= 4) {
		const unsigned char *id =
		    (const unsigned char *)header.ptr + header.len - 4;

		end->last_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 |
		    (uint32_t)id[2] << 8 | id[3];
	}
	if (end->echoes)
		assert_int_equal(
		    nngsock_reply(end->socket, header, body), NNGSOCK_SENT);
}

static void
on_pipes(void *arg, unsigned count)
{
	struct end *end = arg;

	end->pipes = count;
}

static void
on_timer(uv_timer_t *timer)
{
	struct fixture *f = timer->data;

	f->expired = true;
}

/* Run the loop until done() or the time is up; whether it is done. */
static bool
run_until(struct fixture *f, bool (*done)(struct fixture *f), uint64_t ms)
{
	f->expired = false;
	uv_update_time(&f->loop);
	(void)uv_timer_start(&f->timer, on_timer, ms, 0);
	while (!done(f) && !f->expired)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&f->timer);
	return done(f);
}

static bool
is_connected(struct fixture *f)
{
	return f->dialer.pipes > 0 && f->listener.pipes > 0;
}

static bool
is_disconnected(struct fixture *f)
{
	return f->dialer.pipes == 0;
}

static bool
is_answered(struct fixture *f)
{
	return f->dialer.messages > 0;
}

static bool
never(struct fixture *f)
{
	(void)f;
	return false;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (f == NULL || uv_loop_init(&f->loop) != 0 ||
	    uv_timer_init(&f->loop, &f->timer) != 0)
		return -1;
	f->timer.data = f;
	(void)strcpy(f->folder, "/tmp/nngsock-XXXXXX");
	*state = f;
	return mkdtemp(f->folder) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->dialer.socket != NULL)
		nngsock_close(f->dialer.socket);
	if (f->listener.socket != NULL)
		nngsock_close(f->listener.socket);
	uv_close((uv_handle_t *)&f->timer, NULL);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&f->loop) != 0)
		return -1;
	if (rmdir(f->folder) != 0) /* a UNIX socket is left over */
		return -1;
	free(f);
	return 0;
}

static const struct nngsock_tls *
shows(struct nngsock_tls *out, const struct certificate *own,
    const struct certificate *ca, const char *server_name)
{
	*out = (struct nngsock_tls){
		.cert = own->cert,
		.key = own->key,
		.ca = ca->cert,
		.server_name = server_name,
	};
	return out;
}

static void
listen_on(struct fixture *f, const char *url, const struct nngsock_tls *tls)
{
	struct nngsock_events events = { on_message, on_pipes, &f->listener };
	struct error error;

	f->listener.echoes = true;
	f->listener.socket = nngsock_listen(
	    &f->loop, &url, 1, tls, MESSAGE_MAX, &events, &error);
	if (f->listener.socket == NULL)
		fail_msg("%s", error.text);
}

static void
dial(struct fixture *f, const char *url, const struct nngsock_tls *tls)
{
	struct nngsock_events events = { on_message, on_pipes, &f->dialer };
	struct error error;

	f->dialer.messages = 0;
	f->dialer.pipes = 0;
	f->dialer.socket =
	    nngsock_dial(&f->loop, url, tls, MESSAGE_MAX, &events, &error);
	if (f->dialer.socket == NULL)
		fail_msg("%s", error.text);
}

static void
hang_up(struct fixture *f)
{
	nngsock_close(f->dialer.socket);
	f->dialer.socket = NULL;
}

/* The listener's address, as one dials it. */
static const char *
url_of(struct fixture *f, const char *scheme)
{
	static char url[64];

	(void)snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme,
	    (unsigned)nngsock_port(f->listener.socket, 0));
	return url;
}

static void
ask(struct fixture *f, size_t bytes)
{
	static char body[MESSAGE_MAX];

	memset(body, 'x', sizeof body);
	f->dialer.messages = 0;
	f->dialer.bytes = 0;
	assert_int_equal(
	    nngsock_request(f->dialer.socket, 7, (struct slice){ body, bytes }),
	    NNGSOCK_SENT);
	assert_true(run_until(f, is_answered, PATIENCE_MS));
	assert_int_equal(f->dialer.bytes, bytes);
	assert_int_equal(f->dialer.last_id, 7 | 0x80000000u);
}

/* --- Every transport ----------------------------------------------------- */

static void
a_request_is_answered_over_each_transport(void **state)
{
	static const char *const schemes[] = { "tcp", "ipc", "tls+tcp" };
	static const size_t sizes[] = { 0, 1, 16384, 16385, 200000 };
	struct fixture *f = *state;
	struct nngsock_tls server;
	struct nngsock_tls client;

	shows(&server, &made.server, &made.ca, NULL);
	shows(&client, &made.client, &made.ca, "backend.test");
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		char url[64];

		if (strcmp(schemes[i], "ipc") == 0)
			(void)snprintf(
			    url, sizeof url, "ipc://%s/s", f->folder);
		else
			(void)snprintf(
			    url, sizeof url, "%s://127.0.0.1:0", schemes[i]);
		listen_on(f, url, &server);
		dial(f,
		    nngsock_port(f->listener.socket, 0) > 0
			? url_of(f, schemes[i])
			: url,
		    &client);
		if (!run_until(f, is_connected, PATIENCE_MS))
			fail_msg("%s: no connection", schemes[i]);
		for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
			ask(f, sizes[k]);
		hang_up(f);
		nngsock_close(f->listener.socket);
		f->listener.socket = NULL;
	}
}

/* --- Who is believed ----------------------------------------------------- */

static void
only_a_peer_that_both_believe_is_connected(void **state)
{
	const struct {
		const char *what;
		const struct certificate *server, *server_ca;
		const struct certificate *client, *client_ca;
		const char *name;
		bool connects;
	} cases[] = {
		{ "both of the CA", &made.server, &made.ca, &made.client,
		    &made.ca, "backend.test", true },
		{ "any case of the name", &made.server, &made.ca, &made.client,
		    &made.ca, "Backend.TEST", true },
		{ "CAs that differ by side", &made.other_server, &made.ca,
		    &made.client, &made.other_ca, "backend.test", true },
		{ "a client of another CA", &made.server, &made.ca,
		    &made.other_client, &made.ca, "backend.test", false },
		{ "a server of another CA", &made.other_server, &made.ca,
		    &made.client, &made.ca, "backend.test", false },
		{ "a server of another name", &made.server, &made.ca,
		    &made.client, &made.ca, "other.test", false },
		{ "a name that is longer", &made.server, &made.ca, &made.client,
		    &made.ca, "a.backend.test", false },
		{ "an expired server", &made.old_server, &made.ca, &made.client,
		    &made.ca, "backend.test", false },
		{ "an expired client", &made.server, &made.ca, &made.old_client,
		    &made.ca, "backend.test", false },
		{ "a client that only serves", &made.server, &made.ca,
		    &made.only_server, &made.ca, "backend.test", false },
		{ "a server that only asks", &made.client, &made.ca,
		    &made.client, &made.ca, "frontend.test", false },
		/* mbedTLS 2.28 does not know addresses in certificates. */
		{ "an address in the certificate", &made.server_by_ip, &made.ca,
		    &made.client, &made.ca, "127.0.0.1", false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct nngsock_tls server;
		struct nngsock_tls client;
		bool got;

		listen_on(f, "tls+tcp://127.0.0.1:0",
		    shows(&server, cases[i].server, cases[i].server_ca, NULL));
		dial(f, url_of(f, "tls+tcp"),
		    shows(&client, cases[i].client, cases[i].client_ca,
			cases[i].name));
		got = run_until(f, is_connected,
		    cases[i].connects ? PATIENCE_MS : REFUSAL_MS);
		if (got != cases[i].connects ||
		    (!got && f->listener.pipes + f->dialer.pipes > 0))
			fail_msg("%s: connected %d, pipes %u and %u",
			    cases[i].what, got, f->listener.pipes,
			    f->dialer.pipes);
		hang_up(f);
		nngsock_close(f->listener.socket);
		f->listener = (struct end){ .pipes = 0 };
	}
}

static void
any_name_is_believed_only_when_asked_for(void **state)
{
	struct fixture *f = *state;
	struct nngsock_events events = { on_message, on_pipes, &f->dialer };
	struct nngsock_tls server;
	struct nngsock_tls client;
	struct error error;

	listen_on(f, "tls+tcp://127.0.0.1:0",
	    shows(&server, &made.server, &made.ca, NULL));
	shows(&client, &made.client, &made.ca, NULL);
	assert_null(nngsock_dial(&f->loop, url_of(f, "tls+tcp"), &client,
	    MESSAGE_MAX, &events, &error));
	assert_non_null(strstr(error.text, "no name"));
	client.any_name = true;
	dial(f, url_of(f, "tls+tcp"), &client);
	assert_true(run_until(f, is_connected, PATIENCE_MS));
	hang_up(f);

	/* The CA is still looked at. */
	f->listener.pipes = 0;
	client.ca = made.other_ca.cert;
	dial(f, url_of(f, "tls+tcp"), &client);
	assert_false(run_until(f, is_connected, REFUSAL_MS));
}

static void
a_tls_url_without_certificates_names_the_settings(void **state)
{
	struct fixture *f = *state;
	struct nngsock_events events = { on_message, NULL, f };
	const char *url = "tls+tcp://127.0.0.1:0";
	struct error error;

	assert_null(nngsock_listen(
	    &f->loop, &url, 1, NULL, MESSAGE_MAX, &events, &error));
	assert_non_null(strstr(error.text, "RPC_TLS_CERT"));
	assert_non_null(strstr(error.text, "RPC_TLS_KEY"));
	assert_non_null(strstr(error.text, "RPC_TLS_CA"));
	error.text[0] = '\0';
	assert_null(nngsock_dial(&f->loop, "tls+tcp://127.0.0.1:1", NULL,
	    MESSAGE_MAX, &events, &error));
	assert_non_null(strstr(error.text, "RPC_TLS_CERT"));
}

/* A peer that speaks no TLS, or SP without it, is no pipe. */
static void
plain_text_is_refused(void **state)
{
	struct fixture *f = *state;
	struct nngsock_tls server;

	listen_on(f, "tls+tcp://127.0.0.1:0",
	    shows(&server, &made.server, &made.ca, NULL));
	dial(f, url_of(f, "tcp"), NULL);
	assert_false(run_until(f, is_connected, REFUSAL_MS));
	assert_int_equal(f->listener.pipes, 0);
}

/* --- Listeners that change ----------------------------------------------- */

static void
connections_outlive_new_certificates(void **state)
{
	struct fixture *f = *state;
	struct nngsock_tls server;
	struct nngsock_tls client;
	struct error error;

	listen_on(f, "tls+tcp://127.0.0.1:0",
	    shows(&server, &made.server, &made.ca, NULL));
	dial(f, url_of(f, "tls+tcp"),
	    shows(&client, &made.client, &made.ca, "backend.test"));
	assert_true(run_until(f, is_connected, PATIENCE_MS));

	/* Another CA altogether: the new show, and believe, only that. */
	assert_true(nngsock_set_tls(f->listener.socket,
	    shows(&server, &made.other_server, &made.other_ca, NULL), &error));
	(void)run_until(f, never, 200);
	assert_true(is_connected(f));
	ask(f, 1000);
	hang_up(f);
	(void)run_until(f, never, 100);
	f->listener.pipes = 0;
	dial(f, url_of(f, "tls+tcp"), &client);
	assert_false(run_until(f, is_connected, REFUSAL_MS));
	hang_up(f);
	dial(f, url_of(f, "tls+tcp"),
	    shows(&client, &made.other_client, &made.other_ca, "backend.test"));
	assert_true(run_until(f, is_connected, PATIENCE_MS));
	ask(f, 1000);
}

static void
certificates_that_cannot_be_used_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct nngsock_tls server;
	struct nngsock_tls client;
	struct error error;

	listen_on(f, "tls+tcp://127.0.0.1:0",
	    shows(&server, &made.server, &made.ca, NULL));
	server.key = "rubbish";
	assert_false(nngsock_set_tls(f->listener.socket, &server, &error));
	assert_false(nngsock_set_tls(f->listener.socket, NULL, &error));
	dial(f, url_of(f, "tls+tcp"),
	    shows(&client, &made.client, &made.ca, "backend.test"));
	assert_true(run_until(f, is_connected, PATIENCE_MS));
}

static void
a_listener_is_opened_anew_where_it_was(void **state)
{
	static const char *const urls[] = { "tcp://127.0.0.1:0",
		"tls+tcp://127.0.0.1:0", "tcp://localhost:0" };
	struct fixture *f = *state;
	struct nngsock_tls server;
	struct nngsock_tls client;
	struct error error;

	shows(&server, &made.server, &made.ca, NULL);
	shows(&client, &made.client, &made.ca, "backend.test");
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		char url[64];
		uint16_t port;

		listen_on(f, urls[i], &server);
		port = nngsock_port(f->listener.socket, 0);
		(void)snprintf(url, sizeof url, "%s",
		    url_of(f, i == 1 ? "tls+tcp" : "tcp"));
		dial(f, url, &client);
		assert_true(run_until(f, is_connected, PATIENCE_MS));
		for (int k = 0; k < 5; k++) {
			unsigned tries = 0;

			while (
			    !nngsock_relisten(f->listener.socket, 0, &error)) {
				assert_true(tries++ < 100);
				(void)run_until(f, never, 10);
			}
			assert_int_equal(
			    nngsock_port(f->listener.socket, 0), port);
			assert_true(run_until(f, is_disconnected, PATIENCE_MS));
			hang_up(f);
			dial(f, url, &client);
			assert_true(run_until(f, is_connected, PATIENCE_MS));
			ask(f, 100);
		}
		hang_up(f);
		nngsock_close(f->listener.socket);
		f->listener.socket = NULL;
	}
}

static void
a_listener_whose_socket_file_was_removed_comes_back(void **state)
{
	struct fixture *f = *state;
	char url[64];
	char path[48];
	struct error error;

	(void)snprintf(path, sizeof path, "%s/s", f->folder);
	(void)snprintf(url, sizeof url, "ipc://%s", path);
	listen_on(f, url, NULL);
	assert_int_equal(unlink(path), 0);
	dial(f, url, NULL);
	assert_false(run_until(f, is_connected, 300));
	assert_true(nngsock_relisten(f->listener.socket, 0, &error));
	assert_true(run_until(f, is_connected, PATIENCE_MS));
	ask(f, 100);
}

static void
the_neighbours_of_a_listener_opened_anew_notice_nothing(void **state)
{
	struct fixture *f = *state;
	struct nngsock_events events = { on_message, on_pipes, &f->listener };
	const char *urls[] = { "tcp://127.0.0.1:0", "tcp://127.0.0.1:0" };
	struct error error;

	f->listener.echoes = true;
	f->listener.socket = nngsock_listen(
	    &f->loop, urls, 2, NULL, MESSAGE_MAX, &events, &error);
	assert_non_null(f->listener.socket);
	dial(f, url_of(f, "tcp"), NULL);
	assert_true(run_until(f, is_connected, PATIENCE_MS));
	assert_true(nngsock_relisten(f->listener.socket, 1, &error));
	(void)run_until(f, never, 100);
	assert_true(is_connected(f));
	ask(f, 100);
}

/* A second connection would carry what was meant for the first. */
static void
a_connection_that_was_lost_is_not_dialed_again(void **state)
{
	struct fixture *f = *state;
	char url[64];
	struct error error;

	(void)snprintf(url, sizeof url, "ipc://%s/s", f->folder);
	listen_on(f, url, NULL);
	for (int i = 0; i < 20; i++) {
		dial(f, url, NULL);
		assert_true(run_until(f, is_connected, PATIENCE_MS));
		assert_true(nngsock_relisten(f->listener.socket, 0, &error));
		assert_true(run_until(f, is_disconnected, PATIENCE_MS));
		assert_false(run_until(f, is_connected, 20));
		hang_up(f);
	}
}

static void
a_served_ipc_path_is_not_taken_over(void **state)
{
	struct fixture *f = *state;
	struct nngsock_events events = { on_message, NULL, f };
	char url[64];
	const char *urls[1] = { url };
	struct error error;

	(void)snprintf(url, sizeof url, "ipc://%s/s", f->folder);
	listen_on(f, url, NULL);
	assert_null(nngsock_listen(
	    &f->loop, urls, 1, NULL, MESSAGE_MAX, &events, &error));
	dial(f, url, NULL);
	assert_true(run_until(f, is_connected, PATIENCE_MS));
}

/* --- Peers that leave ---------------------------------------------------- */

#define LEAVING 2000
#define AT_ONCE 16 /* so that some have left before nng greets them */

static int
connect_to(struct fixture *f, bool ipc)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(ipc ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s/s", f->folder);
	in.sin_port = htons(nngsock_port(f->listener.socket, 0));
	assert_int_equal(ipc
		? connect(fd, (const struct sockaddr *)&sun, sizeof sun)
		: connect(fd, (const struct sockaddr *)&in, sizeof in),
	    0);
	return fd;
}

/* FIN and then a reset is what EPIPE takes over TCP. */
static void
leave_in_crowds(struct fixture *f, bool ipc)
{
	const struct linger reset = { 1, 0 };

	for (int i = 0; i < LEAVING / AT_ONCE; i++) {
		int fds[AT_ONCE];

		for (int k = 0; k < AT_ONCE; k++) {
			fds[k] = connect_to(f, ipc);
			(void)shutdown(fds[k], SHUT_WR);
			(void)setsockopt(fds[k], SOL_SOCKET, SO_LINGER, &reset,
			    sizeof reset);
			if (k % 2 == 0)
				close(fds[k]);
		}
		for (int k = 1; k < AT_ONCE; k += 2)
			close(fds[k]);
	}
}

static void
peers_that_leave_before_they_are_greeted_stop_no_listener(void **state)
{
	struct fixture *f = *state;

	for (int ipc = 0; ipc < 2; ipc++) {
		char url[64] = "tcp://127.0.0.1:0";

		if (ipc)
			(void)snprintf(
			    url, sizeof url, "ipc://%s/s", f->folder);
		listen_on(f, url, NULL);
		leave_in_crowds(f, ipc);
		dial(f, ipc ? url : url_of(f, "tcp"), NULL);
		if (!run_until(f, is_connected, PATIENCE_MS))
			fail_msg("%s: nobody is served any more", url);
		ask(f, 1000);
		hang_up(f);
		nngsock_close(f->listener.socket);
		f->listener = (struct end){ .pipes = 0 };
	}
}

/* --- Main ---------------------------------------------------------------- */

static int
make_certificates(void **state)
{
	const struct {
		struct certificate *out;
		struct certificate_wish wish;
	} wishes[] = {
		{ &made.ca, { .common_name = "ca" } },
		{ &made.other_ca, { .common_name = "other ca" } },
		{ &made.server,
		    { .ca = &made.ca,
			.common_name = "x",
			.dns = "backend.test",
			.for_server = true } },
		{ &made.server_by_ip,
		    { .ca = &made.ca,
			.common_name = "x",
			.ipv4 = INADDR_LOOPBACK,
			.for_server = true } },
		{ &made.other_server,
		    { .ca = &made.other_ca,
			.common_name = "x",
			.dns = "backend.test" } },
		{ &made.old_server,
		    { .ca = &made.ca,
			.common_name = "x",
			.dns = "backend.test",
			.from_days = -9,
			.to_days = -2 } },
		{ &made.client,
		    { .ca = &made.ca,
			.common_name = "frontend.test",
			.dns = "frontend.test",
			.for_client = true } },
		{ &made.other_client,
		    { .ca = &made.other_ca, .common_name = "frontend.test" } },
		{ &made.old_client,
		    { .ca = &made.ca,
			.common_name = "frontend.test",
			.from_days = -9,
			.to_days = -2 } },
		{ &made.only_server,
		    { .ca = &made.ca,
			.common_name = "frontend.test",
			.for_server = true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
		certificate_make(wishes[i].out, &wishes[i].wish);
	return 0;
}

static int
fini_library(void **state)
{
	(void)state;
	nngsock_fini_library();
	return 0;
}

#define WITH_FIXTURE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_request_is_answered_over_each_transport),
		WITH_FIXTURE(only_a_peer_that_both_believe_is_connected),
		WITH_FIXTURE(any_name_is_believed_only_when_asked_for),
		WITH_FIXTURE(a_tls_url_without_certificates_names_the_settings),
		WITH_FIXTURE(plain_text_is_refused),
		WITH_FIXTURE(connections_outlive_new_certificates),
		WITH_FIXTURE(certificates_that_cannot_be_used_change_nothing),
		WITH_FIXTURE(a_listener_is_opened_anew_where_it_was),
		WITH_FIXTURE(
		    a_listener_whose_socket_file_was_removed_comes_back),
		WITH_FIXTURE(
		    the_neighbours_of_a_listener_opened_anew_notice_nothing),
		WITH_FIXTURE(a_connection_that_was_lost_is_not_dialed_again),
		WITH_FIXTURE(a_served_ipc_path_is_not_taken_over),
		WITH_FIXTURE(
		    peers_that_leave_before_they_are_greeted_stop_no_listener),
	};

	return cmocka_run_group_tests(tests, make_certificates, fini_library);
}
