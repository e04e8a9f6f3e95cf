#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/ops_fixture.h"

#include "common/ops_unix.h"

static char dir[] = "/tmp/ub-ops-XXXXXX";
static char path[ENDPOINT_PATH_MAX + 1];

static int
make_dir(void **state)
{
	(void)state;
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/admin", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static int
connect_to_path(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
a_unix_socket_serves_as_a_tcp_port_does(void **state)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
	struct endpoint_list list = { .count = 1 };
	struct fixture f;
	struct error error;
	char got[1024] = "";
	size_t len = 0;
	ssize_t n = 1;
	int fd;

	(void)state;
	open_loop(&f);
	list.items[0].kind = ENDPOINT_UNIX;
	memcpy(list.items[0].path, path, sizeof path);
	f.ops = ops_start(&f.loop, &list, f.log, &error);
	assert_non_null(f.ops);
	ops_route_standard(f.ops, f.metrics);
	fd = connect_to_path();
	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, request, sizeof request - 1), sizeof request - 1);
	turn_for(&f, 100);
	while (n > 0 && len < sizeof got - 1) {
		n = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
	assert_non_null(strstr(got, "HTTP/1.1 200 OK"));
	stop(&f);
	assert_int_equal(access(path, F_OK), -1); /* nothing is left */
}

static void
only_its_owner_can_open_the_socket(void **state)
{
	struct ops_socket s;
	struct error error;
	struct stat st;
	mode_t before = umask(0);

	(void)state;
	assert_true(ops_unix_bind(path, &s, &error));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)close(s.fd);
	ops_unix_remove(&s);
	(void)umask(before);
}

static void
a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct ops_socket dead;
	struct ops_socket s;
	struct error error;

	(void)state;
	assert_true(ops_unix_bind(path, &dead, &error));
	(void)close(dead.fd);
	assert_true(ops_unix_bind(path, &s, &error));
	(void)close(s.fd);
	ops_unix_remove(&s);
	assert_int_equal(access(path, F_OK), -1);
}

static void
another_ones_socket_is_not_removed(void **state)
{
	struct ops_socket first;
	struct ops_socket second;
	struct error error;

	(void)state;
	assert_true(ops_unix_bind(path, &first, &error));
	assert_int_equal(unlink(path), 0); /* somebody made way for it */
	assert_true(ops_unix_bind(path, &second, &error));
	ops_unix_remove(&first);
	assert_int_equal(access(path, F_OK), 0);
	(void)close(first.fd);
	(void)close(second.fd);
	ops_unix_remove(&second);
}

static void
one_that_is_in_use_is_left_alone(void **state)
{
	struct ops_socket s;
	struct ops_socket second;
	struct error error;

	(void)state;
	assert_true(ops_unix_bind(path, &s, &error));
	assert_false(ops_unix_bind(path, &second, &error));
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "another process does"));
	assert_int_equal(access(path, F_OK), 0);
	(void)close(s.fd);
	ops_unix_remove(&s);
}

static void
a_file_is_not_taken_for_a_socket(void **state)
{
	struct ops_socket s;
	struct error error;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	assert_false(ops_unix_bind(path, &s, &error));
	assert_non_null(strstr(error.text, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
}

static void
ourselves_may_ask(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(ops_unix_may_ask(pair[0]));
	(void)close(pair[0]);
	(void)close(pair[1]);
	assert_false(ops_unix_may_ask(-1));
}

#define WITH_DIR(test) \
	cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(a_unix_socket_serves_as_a_tcp_port_does),
		WITH_DIR(only_its_owner_can_open_the_socket),
		WITH_DIR(a_socket_that_nobody_listens_on_is_replaced),
		WITH_DIR(another_ones_socket_is_not_removed),
		WITH_DIR(one_that_is_in_use_is_left_alone),
		WITH_DIR(a_file_is_not_taken_for_a_socket),
		WITH_DIR(ourselves_may_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
