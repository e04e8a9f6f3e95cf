#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/endpoint.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define HOST_50 "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwx"
#define PATH_50 "/bcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwx"

static const struct {
	const char *text;
	enum endpoint_syntax syntax;
	enum endpoint_kind kind;
	const char *where; /* the host, or the path */
	unsigned port;
	const char *formatted; /* NULL: as text */
	bool is_local;
} accepted[] = {
	{ ":10001", ENDPOINT_SOCKETMAP, ENDPOINT_TCP, "", 10001, NULL, false },
	{ ":0", ENDPOINT_HTTP, ENDPOINT_TCP, "", 0, NULL, false },
	{ "host:65535", ENDPOINT_HTTP, ENDPOINT_TCP, "host", 65535, NULL,
	    false },
	{ "a-b_c.example.org:1", ENDPOINT_SOCKETMAP, ENDPOINT_TCP,
	    "a-b_c.example.org", 1, NULL, false },
	{ "127.0.0.1:10001", ENDPOINT_SOCKETMAP, ENDPOINT_TCP, "127.0.0.1",
	    10001, NULL, true },
	{ "127.9.9.9:1", ENDPOINT_SOCKETMAP, ENDPOINT_TCP, "127.9.9.9", 1, NULL,
	    true },
	{ "0.0.0.0:1", ENDPOINT_HTTP, ENDPOINT_TCP, "0.0.0.0", 1, NULL, false },
	{ "128.0.0.1:1", ENDPOINT_HTTP, ENDPOINT_TCP, "128.0.0.1", 1, NULL,
	    false },
	{ "LocalHost:1", ENDPOINT_HTTP, ENDPOINT_TCP, "LocalHost", 1, NULL,
	    true },
	{ "localhost.example:1", ENDPOINT_HTTP, ENDPOINT_TCP,
	    "localhost.example", 1, NULL, false },
	{ "[::1]:10001", ENDPOINT_SOCKETMAP, ENDPOINT_TCP, "::1", 10001, NULL,
	    true },
	{ "[::]:1", ENDPOINT_HTTP, ENDPOINT_TCP, "::", 1, NULL, false },
	{ "[::ffff:127.0.0.1]:1", ENDPOINT_HTTP, ENDPOINT_TCP,
	    "::ffff:127.0.0.1", 1, NULL, true },
	{ "[fe80::1%eth0]:1", ENDPOINT_SOCKETMAP, ENDPOINT_TCP, "fe80::1%eth0",
	    1, NULL, false },
	{ "host:0010001", ENDPOINT_HTTP, ENDPOINT_TCP, "host", 10001,
	    "host:10001", false },
	{ "/run/x.sock", ENDPOINT_SOCKETMAP, ENDPOINT_UNIX, "/run/x.sock", 0,
	    NULL, true },
	{ "unix:/run/x.sock", ENDPOINT_SOCKETMAP, ENDPOINT_UNIX, "/run/x.sock",
	    0, "/run/x.sock", true },
	{ "/with space:and.colon", ENDPOINT_SOCKETMAP, ENDPOINT_UNIX,
	    "/with space:and.colon", 0, NULL, true },
	{ PATH_50 PATH_50 "/bcde", ENDPOINT_SOCKETMAP, ENDPOINT_UNIX,
	    PATH_50 PATH_50 "/bcde", 0, NULL, true },
	{ "tcp://127.0.0.1:10010", ENDPOINT_RPC, ENDPOINT_TCP, "127.0.0.1",
	    10010, NULL, true },
	{ "tcp://:10010", ENDPOINT_RPC, ENDPOINT_TCP, "", 10010, NULL, false },
	{ "tcp://[::1]:0", ENDPOINT_RPC, ENDPOINT_TCP, "::1", 0, NULL, true },
	{ "TLS+TCP://b.example:1", ENDPOINT_RPC, ENDPOINT_TLS, "b.example", 1,
	    "tls+tcp://b.example:1", false },
	{ "ipc:///run/b.ipc", ENDPOINT_RPC, ENDPOINT_UNIX, "/run/b.ipc", 0,
	    NULL, true },
	{ "tcp://b.example:1", ENDPOINT_POOL, ENDPOINT_TCP, "b.example", 1,
	    NULL, false },
	{ "ipc:///run/b.ipc", ENDPOINT_POOL, ENDPOINT_UNIX, "/run/b.ipc", 0,
	    NULL, true },
	{ "srv+tcp://b.example", ENDPOINT_POOL, ENDPOINT_TCP, "b.example", 0,
	    NULL, false },
	{ "SRV+TLS+TCP://_b._tcp.b.example", ENDPOINT_POOL, ENDPOINT_TLS,
	    "_b._tcp.b.example", 0, "srv+tls+tcp://_b._tcp.b.example", false },
	{ "srv+tcp://localhost", ENDPOINT_POOL, ENDPOINT_TCP, "localhost", 0,
	    NULL, false },
};

static void
each_accepted_text_is_read_and_written_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		const char *want = accepted[i].formatted;
		char got[ENDPOINT_TEXT_MAX];
		struct endpoint e;
		struct error error;

		if (!endpoint_parse(slice_of(accepted[i].text),
			accepted[i].syntax, &e, &error))
			fail_msg("%s: %s", accepted[i].text, error.text);
		assert_int_equal(e.kind, accepted[i].kind);
		assert_int_equal(e.port, accepted[i].port);
		assert_int_equal(
		    e.by_srv, strncasecmp(accepted[i].text, "srv+", 4) == 0);
		assert_string_equal(e.kind == ENDPOINT_UNIX ? e.path : e.host,
		    accepted[i].where);
		endpoint_format(&e, accepted[i].syntax, got);
		assert_string_equal(
		    got, want != NULL ? want : accepted[i].text);
		if (endpoint_is_local(&e) != accepted[i].is_local)
			fail_msg("%s: local is wrong", accepted[i].text);
	}
}

static const struct {
	const char *text;
	enum endpoint_syntax syntax;
	const char *reason;
} refused[] = {
	{ "", ENDPOINT_SOCKETMAP, "is empty" },
	{ "host", ENDPOINT_SOCKETMAP, "no port" },
	{ "10001", ENDPOINT_HTTP, "no port" },
	{ "host:", ENDPOINT_SOCKETMAP, "no port" },
	{ "host:65536", ENDPOINT_SOCKETMAP, "0 to 65535" },
	{ "host:99999999999999999999", ENDPOINT_HTTP, "0 to 65535" },
	{ "host:-1", ENDPOINT_HTTP, "not a number" },
	{ "host:http", ENDPOINT_HTTP, "not a number" },
	{ "host:1 ", ENDPOINT_HTTP, "not a number" },
	{ "ho st:1", ENDPOINT_HTTP, "no name" },
	{ "h\xc3\xb6st:1", ENDPOINT_HTTP, "no name" },
	{ "user@host:1", ENDPOINT_HTTP, "no name" },
	{ "*:1", ENDPOINT_HTTP, "leave it empty" },
	{ "127.0.0.300:1", ENDPOINT_HTTP, "IPv4" },
	{ "127.1:1", ENDPOINT_HTTP, "IPv4" },
	{ "::1:10001", ENDPOINT_HTTP, "brackets" },
	{ "fe80::1", ENDPOINT_HTTP, "brackets" },
	{ "[::1]", ENDPOINT_HTTP, "no port" },
	{ "[::1]10001", ENDPOINT_HTTP, "no port" },
	{ "[::1:10001", ENDPOINT_HTTP, "']'" },
	{ "[]:1", ENDPOINT_HTTP, "IPv6" },
	{ "[host]:1", ENDPOINT_HTTP, "IPv6" },
	{ "[127.0.0.1]:1", ENDPOINT_HTTP, "IPv6" },
	{ "[:::1]:1", ENDPOINT_HTTP, "IPv6" },
	{ "[fe80::1%]:1", ENDPOINT_HTTP, "zone" },
	{ "[fe80::1%e/0]:1", ENDPOINT_HTTP, "zone" },
	{ "[fe80::1%sixteen-letters-]:1", ENDPOINT_HTTP, "zone" },
	{ "fe80%eth0:1", ENDPOINT_HTTP, "no name" },
	{ HOST_50 HOST_50 HOST_50 HOST_50 HOST_50 "x:1", ENDPOINT_HTTP,
	    "255 bytes" },
	{ "/run/x.sock", ENDPOINT_HTTP, "is a path" },
	{ "unix:/run/x.sock", ENDPOINT_HTTP, "is a path" },
	{ "unix:run/x.sock", ENDPOINT_SOCKETMAP, "absolute" },
	{ "unix:", ENDPOINT_SOCKETMAP, "absolute" },
	{ "/", ENDPOINT_SOCKETMAP, "directory" },
	{ "/run/", ENDPOINT_SOCKETMAP, "directory" },
	{ "/run/\nx", ENDPOINT_SOCKETMAP, "control character" },
	{ PATH_50 PATH_50 "/bcdef", ENDPOINT_SOCKETMAP, "107 bytes" },
	{ "tcp://host:1", ENDPOINT_SOCKETMAP, "is a URL" },
	{ "http://host:1", ENDPOINT_HTTP, "is a URL" },
	{ "inet:127.0.0.1:10001", ENDPOINT_SOCKETMAP, "inet:" },
	{ "host:10010", ENDPOINT_RPC, "no URL" },
	{ "/run/b.ipc", ENDPOINT_RPC, "no URL" },
	{ "http://host:1", ENDPOINT_RPC, "no URL" },
	{ "tcp:host:1", ENDPOINT_RPC, "no URL" },
	{ "tcp://host", ENDPOINT_RPC, "no port" },
	{ "tcp://host:1/", ENDPOINT_RPC, "not a number" },
	{ "tcp://", ENDPOINT_RPC, "no port" },
	{ "ipc://run/b.ipc", ENDPOINT_RPC, "absolute" },
	{ "ipc://", ENDPOINT_RPC, "absolute" },
	{ "srv+tcp://_b._tcp.example", ENDPOINT_RPC, "not possible here" },
	{ "srv+tls+tcp://b.example", ENDPOINT_RPC, "not possible here" },
	{ "tcp://:1", ENDPOINT_POOL, "no host to connect to" },
	{ "tls+tcp://host:0", ENDPOINT_POOL, "port 0" },
	{ "srv+tcp://", ENDPOINT_POOL, "no name" },
	{ "srv+tcp://b.example:1", ENDPOINT_POOL, "has a port" },
	{ "srv+tcp://127.0.0.1", ENDPOINT_POOL, "has an address" },
	{ "srv+tcp://.", ENDPOINT_POOL, "has an address" },
	{ "srv+tcp://[::1]", ENDPOINT_POOL, "has a port" },
	{ "srv+tcp://b_/", ENDPOINT_POOL, "no name" },
	{ "srv+ipc:///run/b.ipc", ENDPOINT_POOL, "no URL" },
	{ "srv+srv+tcp://b", ENDPOINT_POOL, "no URL" },
};

static void
each_refused_text_is_named_with_the_reason_and_the_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct endpoint e = { .port = 4711 };
		struct error error;
		char shown[21];

		if (endpoint_parse(slice_of(refused[i].text), refused[i].syntax,
			&e, &error))
			fail_msg("\"%s\" was accepted", refused[i].text);
		assert_int_equal(e.port, 4711);
		if (strstr(error.text, refused[i].reason) == NULL)
			fail_msg("\"%s\": %s", refused[i].text, error.text);
		assert_non_null(strstr(error.text, "write it as "));
		(void)snprintf(shown, sizeof shown, "\"%s", refused[i].text);
		if (strpbrk(shown, "\n") == NULL)
			assert_non_null(strstr(error.text, shown));
		assert_null(strpbrk(error.text, "\n"));
	}
}

static void
a_nul_byte_hides_nothing(void **state)
{
	const struct slice texts[] = {
		SLICE("host\0.example:1"),
		SLICE("host:1\0"),
		SLICE("[::1\0]:1"),
		SLICE("/run/x\0y"),
	};
	struct endpoint e;
	struct error error;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_false(
		    endpoint_parse(texts[i], ENDPOINT_SOCKETMAP, &e, &error));
}

static const struct {
	const char *text;
	size_t count; /* 0: refused */
	const char *reason;
} lists[] = {
	{ ":1", 1, NULL },
	{ ":1,:2", 2, NULL },
	{ " :1 ,\t/run/x , [::1]:3 ", 3, NULL },
	{ "127.0.0.1:0,127.0.0.1:0", 2, NULL },
	{ "a:1,b:1,a:2", 3, NULL },
	{ "", 0, "is empty" },
	{ " ", 0, "is empty" },
	{ ",", 0, "empty element" },
	{ ":1,", 0, "empty element" },
	{ ",:1", 0, "empty element" },
	{ ":1, ,:2", 0, "empty element" },
	{ ":1,:1", 0, "twice" },
	{ "host:1,HOST:01", 0, "twice" },
	{ "/run/x,unix:/run/x", 0, "twice" },
	{ ":1;:2", 0, "\":1;:2\"" },
	{ ":1,nowhere", 0, "\"nowhere\" has no port" },
};

static void
lists_are_read_or_refused_with_the_reason(void **state)
{
	struct endpoint_list list;
	struct error error;

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		bool ok = endpoint_list_parse(
		    slice_of(lists[i].text), ENDPOINT_SOCKETMAP, &list, &error);

		if (ok != (lists[i].count > 0))
			fail_msg("\"%s\": %s", lists[i].text,
			    ok ? "was accepted" : error.text);
		if (ok)
			assert_int_equal(list.count, lists[i].count);
		else if (strstr(error.text, lists[i].reason) == NULL)
			fail_msg("\"%s\": %s", lists[i].text, error.text);
	}
}

static void
a_name_with_srv_records_is_in_a_list_once(void **state)
{
	struct endpoint_list list;
	struct error error;

	(void)state;
	assert_true(endpoint_list_parse(
	    SLICE("srv+tcp://b, tcp://b:1"), ENDPOINT_POOL, &list, &error));
	assert_false(
	    endpoint_list_parse(SLICE("srv+tcp://b,tcp://b:1,srv+tcp://B"),
		ENDPOINT_POOL, &list, &error));
	assert_non_null(strstr(error.text, "twice"));
}

static void
a_list_has_room_for_its_maximum_and_no_more(void **state)
{
	char text[(ENDPOINT_LIST_MAX + 1) * 8] = "";
	struct endpoint_list list;
	struct error error;
	size_t len = 0;

	(void)state;
	for (unsigned i = 1; i <= ENDPOINT_LIST_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s:%u",
		    i > 1 ? "," : "", i);
	assert_true(
	    endpoint_list_parse(slice_of(text), ENDPOINT_HTTP, &list, &error));
	assert_int_equal(list.count, ENDPOINT_LIST_MAX);
	assert_int_equal(
	    list.items[ENDPOINT_LIST_MAX - 1].port, ENDPOINT_LIST_MAX);
	(void)snprintf(text + len, sizeof text - len, ",:999");
	assert_false(
	    endpoint_list_parse(slice_of(text), ENDPOINT_HTTP, &list, &error));
	assert_non_null(strstr(error.text, "128"));
}

static void
whatever_is_accepted_reads_back_from_what_is_written(void **state)
{
	static const char alphabet[] = "[]::::%/.,a1 06553\xff";
	static const char *const starts[] = { "", "tcp://", "ipc:///", "[::1]",
		"127.0.0.1:", "/", "srv+tcp://" };
	uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
	size_t accepted_count = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		enum endpoint_syntax syntax;
		struct endpoint first;
		struct endpoint second;
		struct error error;
		char text[32];
		char formatted[ENDPOINT_TEXT_MAX];
		size_t len;
		size_t random_len;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		syntax = (enum endpoint_syntax)(random % 4);
		random_len = random / 4 % 8;
		len = (size_t)snprintf(text, sizeof text, "%s",
		    starts[random / 32 % COUNT(starts)]);
		for (size_t j = 0; j < random_len; j++)
			text[len++] = alphabet[(random >> (16 + 5 * j)) %
			    (sizeof alphabet - 1)];
		if (!endpoint_parse(
			(struct slice){ text, len }, syntax, &first, &error))
			continue;
		accepted_count++;
		endpoint_format(&first, syntax, formatted);
		if (!endpoint_parse(
			slice_of(formatted), syntax, &second, &error))
			fail_msg("%s: %s", formatted, error.text);
		assert_int_equal(first.kind, second.kind);
		assert_int_equal(first.port, second.port);
		assert_string_equal(first.host, second.host);
		assert_string_equal(first.path, second.path);
	}
	assert_true(accepted_count > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_accepted_text_is_read_and_written_back),
		cmocka_unit_test(
		    each_refused_text_is_named_with_the_reason_and_the_remedy),
		cmocka_unit_test(a_nul_byte_hides_nothing),
		cmocka_unit_test(lists_are_read_or_refused_with_the_reason),
		cmocka_unit_test(a_name_with_srv_records_is_in_a_list_once),
		cmocka_unit_test(a_list_has_room_for_its_maximum_and_no_more),
		cmocka_unit_test(
		    whatever_is_accepted_reads_back_from_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
