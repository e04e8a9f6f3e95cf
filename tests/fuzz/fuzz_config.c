#include <sys/mman.h>
#include <unistd.h>

#include "backend/config.h"
#include "common/config.h"
#include "frontend/config.h"
#include "tests/fuzz/fuzz.h"

/* The whole way of a --config file through a daemon's table. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *environment[] = { (char[]){ "USERLI_TOKEN=secret" }, NULL };
	char path[32];
	char *arguments[] = { (char[]){ "backend" }, (char[]){ "--config" },
		path, NULL };
	struct slice text = fuzz_input(data, size);
	uint8_t choice = fuzz_choice(&text);
	const struct config_program *program =
	    (choice & 1) == 0 ? &backend_program : &frontend_program;
	struct config *config;
	enum config_action action;
	struct error error = { .text = "" };
	FILE *nowhere = fopen("/dev/null", "w");
	int fd = memfd_create("config", MFD_CLOEXEC);

	if ((choice & 2) != 0)
		environment[0] = NULL; /* the file is to have the token */
	fuzz_check(fd >= 0 && nowhere != NULL);
	fuzz_check(text.len == 0 ||
	    write(fd, text.ptr, text.len) == (ssize_t)text.len);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (config_load(program, 3, arguments, environment, &config, &action,
		&error) == CONFIG_OK) {
		fuzz_check(config_settings(config) != NULL);
		config_print(config, nowhere);
		config_help(program, nowhere);
		config_free(config);
	} else {
		fuzz_check(config == NULL && error.text[0] != '\0');
	}
	(void)close(fd);
	(void)fclose(nowhere);
	return 0;
}
