/*
 * cooked_req - one request through an ordinary nng REQ socket
 *
 *   cooked_req URL [TIMEOUT_MS] < request in hex > reply in hex
 *
 * For tests only: shows that a backend is a plain REQ/REP peer to anyone's
 * nng client.  Exits 0 with the reply on standard output, 1 with the reason on
 * standard error.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#define MESSAGE_MAX 262144 /* bytes */

static int
fail(const char *what, int code)
{
	(void)fprintf(stderr, "cooked_req: %s: %s\n", what, nng_strerror(code));
	return EXIT_FAILURE;
}

static int
digit(int c)
{
	if (isdigit(c))
		return c - '0';
	return isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Read hex digits up to the end of the input; false if they are not. */
static bool
read_hex(unsigned char *out, size_t *len)
{
	int high, low;

	*len = 0;
	while ((high = getchar()) != EOF && high != '\n') {
		low = getchar();
		if (digit(high) < 0 || low == EOF || digit(low) < 0 ||
		    *len == MESSAGE_MAX)
			return false;
		out[(*len)++] = (unsigned char)(digit(high) * 16 + digit(low));
	}
	return true;
}

static int
exchange(nng_socket sock, const char *url, unsigned char *request, size_t len)
{
	unsigned char *reply;
	size_t reply_len;
	int code;

	/* Blocking: returns when the connection is there. */
	code = nng_dial(sock, url, NULL, 0);
	if (code != 0)
		return fail("dial", code);
	code = nng_send(sock, request, len, 0);
	if (code != 0)
		return fail("send", code);
	code = nng_recv(sock, &reply, &reply_len, NNG_FLAG_ALLOC);
	if (code != 0)
		return fail("receive", code);
	for (size_t i = 0; i < reply_len; i++)
		(void)printf("%02x", reply[i]);
	(void)printf("\n");
	nng_free(reply, reply_len);
	return EXIT_SUCCESS;
}

int
main(int argc, char *argv[])
{
	static unsigned char request[MESSAGE_MAX];
	nng_duration timeout_ms = argc > 2 ? atoi(argv[2]) : 30000;
	nng_socket sock;
	size_t len;
	int status, code;

	if (argc < 2 || !read_hex(request, &len)) {
		(void)fprintf(stderr, "usage: cooked_req URL [TIMEOUT_MS]\n");
		return EXIT_FAILURE;
	}
	code = nng_req0_open(&sock);
	if (code != 0)
		return fail("open", code);
	if ((code = nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, timeout_ms)) !=
		0 ||
	    (code = nng_socket_set_ms(sock, NNG_OPT_SENDTIMEO, timeout_ms)) !=
		0)
		status = fail("timeouts", code);
	else
		status = exchange(sock, argv[1], request, len);
	(void)nng_close(sock);
	nng_fini();
	return status;
}
