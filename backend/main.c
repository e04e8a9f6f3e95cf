#include <unistd.h>

#include "backend/backend.h"
#include "common/mem.h"
#include "common/nngsock.h"
#include "common/service.h"

int
main(int argc, char *argv[])
{
	struct config *config;
	int status;

	service_open_standard();
	mem_serve_libuv();
	config = config_main(&backend_program, argc, argv, environ, &status);
	if (config == NULL)
		return status;
	config_clear_environment(config);
	service_block_signals();
	status = backend_run(config);
	config_free(config);
	nngsock_exit(status);
}
