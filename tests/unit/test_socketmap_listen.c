#include "socketmap_fixture.h"

#include <sys/stat.h>

#include "frontend/socketmap/sockaddrs.h"

static char directory[] = "/tmp/test-socketmap-XXXXXX";
static char path[sizeof directory + 16];

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/socket", directory);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	return rmdir(directory); /* fails if a test leaves something */
}

static bool
exists(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int
connect_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* A socket file; serving it is up to the caller. */
static int
bind_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* --- UNIX sockets ------------------------------------------------------- */

static void
a_unix_socket_has_its_mode_and_goes_with_the_server(void **state)
{
	static const unsigned modes[] = { 0600, 0660, 0666 };

	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		struct fixture f;
		struct stat st;
		int fd;

		fixture_init(&f);
		fixture_start(&f);
		assert_int_equal(socketmap_server_listen_unix(f.server, path,
				     modes[i], (long)getuid(), -1),
		    0);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		fd = connect_unix();
		client_ask(fd, "echo x");
		client_expect(&f, fd, "4:OK x,");
		(void)close(fd);
		fixture_wait(&f, CLOSED(&f, BY_CLIENT) == 1);
		assert_string_equal(f.peer, "unix");
		socketmap_server_close(f.server);
		assert_false(exists());
		fixture_fini(&f);
	}
}

static void
a_stale_socket_file_is_replaced(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	(void)close(bind_unix());
	assert_true(exists());
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, path, 0666, -1, -1), 0);
	(void)close(connect_unix());
	fixture_fini(&f);
	assert_false(exists());
}

static void
a_socket_that_is_served_is_left_alone(void **state)
{
	struct fixture f;
	int other = bind_unix();

	(void)state;
	assert_int_equal(listen(other, 1), 0);
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, path, 0666, -1, -1),
	    UV_EADDRINUSE);
	fixture_fini(&f);
	(void)close(connect_unix());
	(void)close(other);
	assert_int_equal(unlink(path), 0);
}

static void
another_file_is_never_replaced(void **state)
{
	struct fixture f;
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	(void)fclose(file);
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, path, 0666, -1, -1),
	    UV_EEXIST);
	assert_int_equal(unlink(path), 0);
	/* Nor is one that a link points to. */
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, path, 0666, -1, -1),
	    UV_EEXIST);
	assert_int_equal(unlink(path), 0);
	fixture_fini(&f);
}

static void
a_socket_file_that_was_replaced_is_not_removed(void **state)
{
	struct fixture f;
	int other;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, path, 0666, -1, -1), 0);
	assert_int_equal(unlink(path), 0);
	other = bind_unix();
	fixture_fini(&f);
	assert_true(exists());
	(void)close(other);
	assert_int_equal(unlink(path), 0);
}

static void
a_path_that_cannot_be_is_an_error(void **state)
{
	struct fixture f;
	char long_path[200];

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	memset(long_path, 'x', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, long_path, 0666, -1, -1),
	    UV_ENAMETOOLONG);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, "", 0666, -1, -1),
	    UV_EINVAL);
	(void)snprintf(
	    long_path, sizeof long_path, "%s/none/socket", directory);
	assert_int_equal(
	    socketmap_server_listen_unix(f.server, long_path, 0666, -1, -1),
	    UV_ENOENT);
	fixture_fini(&f);
}

/* --- TCP ---------------------------------------------------------------- */

static bool
answers_at(struct fixture *f, int family, uint16_t port)
{
	union peer address = { 0 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = false;

	address.family = (sa_family_t)family;
	if (family == AF_INET6) {
		address.in6.sin6_port = htons(port);
		address.in6.sin6_addr = in6addr_loopback;
	} else {
		address.in.sin_port = htons(port);
		address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	if (fd >= 0 && connect(fd, &address.any, sizeof address.in6) == 0) {
		client_ask(fd, "echo x");
		client_expect(f, fd, "4:OK x,");
		ok = true;
	}
	(void)close(fd);
	return ok;
}

static bool
has_ipv6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 &&
	    bind(fd, (struct sockaddr *)&address, sizeof address) == 0;

	(void)close(fd);
	return ok;
}

static void
an_empty_host_is_every_address_of_both_families(void **state)
{
	struct fixture f;
	uint16_t port;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(socketmap_server_listen_tcp(f.server, ":0", &port), 0);
	assert_true(answers_at(&f, AF_INET, port));
	fixture_wait(&f, CLOSED(&f, BY_CLIENT) == 1);
	assert_true(strncmp(f.peer, "127.0.0.1:", 10) == 0);
	if (has_ipv6()) {
		assert_true(answers_at(&f, AF_INET6, port));
		fixture_wait(&f, CLOSED(&f, BY_CLIENT) == 2);
		assert_true(strncmp(f.peer, "[::1]:", 6) == 0);
	}
	fixture_fini(&f);
}

static void
several_listeners_serve_the_same_maps(void **state)
{
	struct fixture f;
	uint16_t named;
	uint16_t v6;

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    socketmap_server_listen_tcp(f.server, "localhost:0", &named), 0);
	assert_true(answers_at(&f, AF_INET, f.port));
	assert_true(answers_at(&f, AF_INET, named));
	if (has_ipv6()) {
		assert_int_equal(
		    socketmap_server_listen_tcp(f.server, "[::1]:0", &v6), 0);
		assert_true(answers_at(&f, AF_INET6, v6));
		assert_false(answers_at(&f, AF_INET, v6));
	}
	fixture_fini(&f);
}

static void
a_port_that_is_taken_is_an_error(void **state)
{
	struct fixture f;
	char address[32];

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	(void)snprintf(address, sizeof address, "127.0.0.1:%hu", f.port);
	assert_int_equal(socketmap_server_listen_tcp(f.server, address, NULL),
	    UV_EADDRINUSE);
	assert_true(socketmap_server_listen_tcp(
			f.server, "no-such-host.invalid:0", NULL) < 0);
	fixture_fini(&f);
}

static void
a_socket_that_already_listens_is_served(void **state)
{
	struct fixture f;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fixture_init(&f);
	fixture_start(&f);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(socketmap_server_listen_fd(f.server, fd), UV_EINVAL);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(socketmap_server_listen_fd(f.server, fd), 0);
	assert_true(answers_at(&f, AF_INET, ntohs(address.sin_port)));
	fixture_fini(&f);
}

static void
an_address_splits_into_host_and_port(void **state)
{
	static const struct {
		const char *text, *host, *port; /* host NULL: an error */
	} cases[] = {
		{ "", "", "27823" },
		{ ":0", "", "0" },
		{ ":10001", "", "10001" },
		{ "localhost", "localhost", "27823" },
		{ "127.0.0.1:65535", "127.0.0.1", "65535" },
		{ "[::1]:25", "::1", "25" },
		{ "[::1]", "::1", "27823" },
		{ "host:007", "host", "7" },
		{ "host:", NULL, NULL },
		{ "host:65536", NULL, NULL },
		{ "host:-1", NULL, NULL },
		{ "host:1x", NULL, NULL },
		{ "::1", NULL, NULL },
		{ "[::1", NULL, NULL },
		{ "[]:1", NULL, NULL },
		{ "[::1]1", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct host_port got;
		int error = host_port_parse(cases[i].text, 27823, &got);

		if (cases[i].host == NULL) {
			if (error != UV_EINVAL)
				fail_msg("\"%s\" was taken", cases[i].text);
			continue;
		}
		assert_int_equal(error, 0);
		assert_string_equal(got.host, cases[i].host);
		assert_string_equal(got.port, cases[i].port);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_unix_socket_has_its_mode_and_goes_with_the_server),
		cmocka_unit_test(a_stale_socket_file_is_replaced),
		cmocka_unit_test(a_socket_that_is_served_is_left_alone),
		cmocka_unit_test(another_file_is_never_replaced),
		cmocka_unit_test(
		    a_socket_file_that_was_replaced_is_not_removed),
		cmocka_unit_test(a_path_that_cannot_be_is_an_error),
		cmocka_unit_test(
		    an_empty_host_is_every_address_of_both_families),
		cmocka_unit_test(several_listeners_serve_the_same_maps),
		cmocka_unit_test(a_port_that_is_taken_is_an_error),
		cmocka_unit_test(a_socket_that_already_listens_is_served),
		cmocka_unit_test(an_address_splits_into_host_and_port),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
