#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/http_url.h"

static void
parse_and_format_agree_with_each_usable_url(void **state)
{
	static const struct {
		const char *text;
		const char *base; /* what paths are appended to */
		const char *host;
		unsigned port;
		bool tls, numeric;
		const char *socket_path;
	} cases[] = {
		{ "http://localhost:8000", "http://localhost:8000", "localhost",
		    8000, false, false, "" },
		{ "http://h", "http://h:80", "h", 80, false, false, "" },
		{ "https://h", "https://h:443", "h", 443, true, false, "" },
		{ "HTTPS://h.example", "https://h.example:443", "h.example",
		    443, true, false, "" },
		{ "http://h/", "http://h:80", "h", 80, false, false, "" },
		{ "http://h///", "http://h:80", "h", 80, false, false, "" },
		{ "http://h/a/b", "http://h:80/a/b", "h", 80, false, false,
		    "" },
		{ "http://h:81/a/", "http://h:81/a", "h", 81, false, false,
		    "" },
		{ "http://h/%41~b;c=1/...", "http://h:80/%41~b;c=1/...", "h",
		    80, false, false, "" },
		{ "http://192.0.2.1:1", "http://192.0.2.1:1", "192.0.2.1", 1,
		    false, true, "" },
		{ "http://[2001:db8::1]:65535/x",
		    "http://[2001:db8::1]:65535/x", "2001:db8::1", 65535, false,
		    true, "" },
		{ "http://[::1]", "http://[::1]:80", "::1", 80, false, true,
		    "" },
		{ "http://my_host-1.example.", "http://my_host-1.example.:80",
		    "my_host-1.example.", 80, false, false, "" },
		{ "unix:/run/userli.sock", "http://localhost", "localhost", 0,
		    false, false, "/run/userli.sock" },
		{ "unix:/run/userli.sock:", "http://localhost", "localhost", 0,
		    false, false, "/run/userli.sock" },
		{ "unix:/run/userli.sock:/a/", "http://localhost/a",
		    "localhost", 0, false, false, "/run/userli.sock" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct http_url got;
		struct error error;
		char base[HTTP_URL_TEXT_MAX];

		if (!http_url_parse(cases[i].text, &got, &error))
			fail_msg("%s: %s", cases[i].text, error.text);
		assert_int_equal(
		    http_url_format(&got, base), strlen(cases[i].base));
		assert_string_equal(base, cases[i].base);
		assert_string_equal(got.host, cases[i].host);
		assert_string_equal(got.socket_path, cases[i].socket_path);
		assert_int_equal(got.port, cases[i].port);
		assert_int_equal(got.tls, cases[i].tls);
		assert_int_equal(got.numeric, cases[i].numeric);
	}
}

static void
parse_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* within the reason */
	} cases[] = {
		{ "", "must start with http://" },
		{ "localhost:8000", "must start with http://" },
		{ "ftp://h", "must start with http://" },
		{ "http:/h", "must start with http://" },
		{ " http://h", "must start with http://" },
		{ "http://", "host is missing" },
		{ "http:///a", "host is missing" },
		{ "http://:80", "host is missing" },
		{ "http://user@h", "user name or password" },
		{ "http://user:secret@h", "user name or password" },
		{ "http://h?a=1", "query or fragment" },
		{ "http://h/a?", "query or fragment" },
		{ "http://h#a", "query or fragment" },
		{ "http://h/a#", "query or fragment" },
		{ "http://h:", "1 to 65535" },
		{ "http://h:0", "1 to 65535" },
		{ "http://h:65536", "1 to 65535" },
		{ "http://h:99999999999", "1 to 65535" },
		{ "http://h:8a", "1 to 65535" },
		{ "http://h:-1", "1 to 65535" },
		{ "http://::1", "host is missing" },
		{ "http://2001:db8::1", "1 to 65535" },
		{ "http://[::1", "']' is missing" },
		{ "http://[::1]x", "only a port" },
		{ "http://[h]", "no IPv6 address" },
		{ "http://[127.0.0.1]", "no IPv6 address" },
		{ "http://[fe80::1%25eth0]", "no IPv6 address" },
		{ "http://b\xC3\xBC"
		  "cher.example",
		    "xn-- form" },
		{ "http://h h", "may have letters" },
		{ "http://h\r\nX: y", "may have letters" },
		{ "http://h%41", "may have letters" },
		{ "http://h/a b", "percent-encoded" },
		{ "http://h/a\r\nX:y", "percent-encoded" },
		{ "http://h/\xC3\xBC", "percent-encoded" },
		{ "http://h/a\\b", "percent-encoded" },
		{ "http://h/../a", "\"..\"" },
		{ "http://h/a/.", "\"..\"" },
		{ "unix:", "unix:/path" },
		{ "unix:run/x", "unix:/path" },
		{ "unix::/a", "unix:/path" },
		{ "unix:/x:a", "must start with '/'" },
		{ "unix:/x:/a?b", "query or fragment" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct http_url url;
		struct error error = { "" };

		if (http_url_parse(cases[i].text, &url, &error))
			fail_msg("\"%s\" is accepted", cases[i].text);
		if (strstr(error.text, cases[i].want) == NULL)
			fail_msg("\"%s\": got \"%s\", want \"%s\"",
			    cases[i].text, error.text, cases[i].want);
		assert_null(strstr(error.text, "secret"));
	}
}

static void
what_is_too_long_is_refused_at_each_part(void **state)
{
	static const struct {
		const char *before;
		size_t longest;
	} cases[] = {
		{ "http://", ENDPOINT_HOST_MAX },
		{ "http://h/", HTTP_URL_PREFIX_MAX - 1 },
		{ "unix:/", ENDPOINT_PATH_MAX - 1 },
		{ "unix:/x:/", HTTP_URL_PREFIX_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[1024] = "";
		char base[HTTP_URL_TEXT_MAX];
		size_t start = strlen(cases[i].before);
		struct http_url url;
		struct error error;

		memcpy(text, cases[i].before, start);
		memset(text + start, 'a', cases[i].longest);
		assert_true(http_url_parse(text, &url, &error));
		assert_in_range(
		    http_url_format(&url, base), 1, sizeof base - 1);
		text[start + cases[i].longest] = 'a';
		assert_false(http_url_parse(text, &url, &error));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_format_agree_with_each_usable_url),
		cmocka_unit_test(parse_says_what_is_wrong),
		cmocka_unit_test(what_is_too_long_is_refused_at_each_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
