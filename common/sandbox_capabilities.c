#include "common/sandbox_capabilities.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT                                                                 \
	(UINT32_C(1) << CAP_CHOWN | UINT32_C(1) << CAP_DAC_OVERRIDE |        \
	    UINT32_C(1) << CAP_DAC_READ_SEARCH | UINT32_C(1) << CAP_FOWNER | \
	    UINT32_C(1) << CAP_NET_BIND_SERVICE)

bool
sandbox_capabilities_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];

	uint32_t dropped = 0;

	/* glibc has no wrappers for these. */
	if (syscall(SYS_capget, &header, half) != 0)
		return false;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t kept = i == 0 ? KEPT : 0;

		dropped |= (half[i].permitted | half[i].inheritable) & ~kept;
		half[i].permitted &= kept;
		half[i].effective &= kept;
		half[i].inheritable &= kept;
	}
	/* A service manager may have dropped them, and forbid the call. */
	return dropped == 0 || syscall(SYS_capset, &header, half) == 0;
}
