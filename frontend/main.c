#include <unistd.h>

#include "common/mem.h"
#include "common/nngsock.h"
#include "common/service.h"
#include "frontend/frontend.h"

int
main(int argc, char *argv[])
{
	struct config *config;
	int status;

	service_open_standard();
	mem_serve_libuv();
	config = config_main(&frontend_program, argc, argv, environ, &status);
	if (config == NULL)
		return status;
	config_clear_environment(config);
	service_block_signals();
	status = frontend_run(config);
	config_free(config);
	nngsock_exit(status);
}
