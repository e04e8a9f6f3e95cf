#include "backend/naming.h"

#include <stdio.h>
#include <unistd.h>

#include "common/metrics.h"

void
naming_backend(const char *setting, char out[static RPC_BACKEND_NAME_MAX + 1])
{
	char host[RPC_BACKEND_NAME_MAX] = "";

	if (setting[0] != '\0') {
		(void)snprintf(out, RPC_BACKEND_NAME_MAX + 1, "%s", setting);
		return;
	}
	if (gethostname(host, sizeof host - 16) != 0)
		host[0] = '\0';
	host[sizeof host - 16] = '\0';
	(void)snprintf(out, RPC_BACKEND_NAME_MAX + 1, "%s:%ld",
	    host[0] != '\0' ? host : "backend", (long)getpid());
}

void
naming_build(char out[static RPC_BUILD_MAX + 1])
{
	(void)snprintf(out, RPC_BUILD_MAX + 1, "%s %s", PROJECT_VERSION,
	    metrics_revision());
}
