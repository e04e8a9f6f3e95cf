#include "backend/http_url.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];
	char written[HTTP_URL_TEXT_MAX];
	struct http_url url;
	struct http_url again;
	struct error error;

	if (size >= sizeof text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (!http_url_parse(text, &url, &error)) {
		fuzz_check(error.text[0] != '\0');
		return 0;
	}
	fuzz_check(strpbrk(url.host, " /?#@%\r\n") == NULL);
	fuzz_check(strpbrk(url.prefix, " ?#\r\n") == NULL);
	fuzz_check(http_url_format(&url, written) == strlen(written));
	if (url.socket_path[0] != '\0')
		return 0; /* it is asked as http://localhost */
	fuzz_check(http_url_parse(written, &again, &error));
	fuzz_check(again.tls == url.tls && again.port == url.port);
	fuzz_check(strcmp(again.host, url.host) == 0);
	fuzz_check(strcmp(again.prefix, url.prefix) == 0);
	return 0;
}
