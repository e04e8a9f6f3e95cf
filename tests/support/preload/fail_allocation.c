/*
 * fail_allocation - one allocation of a program fails
 *
 * For LD_PRELOAD, tests only.  Counted from main() on is every malloc(),
 * calloc(), realloc(), aligned allocation and strdup(): the program's own, its
 * libraries', and what the C library asks for on their behalf.  Not counted is
 * what libnng asks for, itself or through mbedTLS: it has no allocator that a
 * program could set, and 1.5.2 does not survive each failure: of 60 call stacks
 * in a backend's start seven ended in a null pointer and one in a hang.  Nor is
 * libseccomp: it has none either, and 2.5.4 makes of some failures a filter
 * that ends the process.
 *
 *   FAIL_ALLOCATION_AT    fail the allocation with this number, from 1
 *   FAIL_ALLOCATION_SITE  fail the first with this call stack, in hexadecimal
 *   FAIL_ALLOCATION_LOG   write a line for the one that has failed to this
 *                         file; without the two above, for every one:
 *                         "number site file+offset file+offset ...",
 *                         innermost caller first
 *
 * A call stack's id does not change from one run of the same build to the next.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define FRAMES_OF_SITE 12 /* that tell one call stack from another */
#define OBJECTS_MAX 128
#define LINE_MAX_BYTES 4096

enum kind {
	KIND_PROGRAM,
	KIND_LIBRARY,
	KIND_NNG,    /* and libseccomp */
	KIND_TLS,    /* mbedTLS: whose it is, its caller says */
	KIND_SYSTEM, /* the C library and sanitizers, for whoever calls them */
	KIND_SELF,
};

struct object {
	uintptr_t base, start, end; /* of what can be executed */
	const char *name;
	enum kind kind;
};

struct site {
	enum kind owner; /* KIND_SYSTEM while it is not known */
	int count;
	const struct object *object[FRAMES_OF_SITE];
	uintptr_t offset[FRAMES_OF_SITE];
	uint64_t id;
};

typedef int main_function(int argc, char *argv[], char *envp[]);

int __libc_start_main(main_function *entry, int argc, char *argv[],
    void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
    void *stack_end);

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *old, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
} real;

/* What asks for memory while the real functions are looked up. */
static char early[16384];
static size_t early_used;

static struct object objects[OBJECTS_MAX];
static size_t object_count;
static bool armed; /* main() runs */
static int log_fd = -1;
static uint64_t fail_at, fail_site;
static _Atomic uint64_t number;
static _Atomic bool failed;
static _Thread_local bool looking;

static bool
is_called(const char *path, const char *prefix)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash != NULL ? slash + 1 : path, prefix,
		   strlen(prefix)) == 0;
}

static enum kind
kind_of(const char *path)
{
	static const char *const systems[] = { "libc.so", "libasan.so",
		"libubsan.so", "libtsan.so", "ld-linux", "libgcc_s.so",
		"libresolv.so", "linux-vdso" };

	if (path[0] == '\0')
		return KIND_PROGRAM;
	if (is_called(path, "fail_allocation.so"))
		return KIND_SELF;
	if (is_called(path, "libnng.so") || is_called(path, "libseccomp.so"))
		return KIND_NNG;
	if (is_called(path, "libmbed"))
		return KIND_TLS;
	for (size_t i = 0; i < sizeof systems / sizeof systems[0]; i++)
		if (is_called(path, systems[i]))
			return KIND_SYSTEM;
	return KIND_LIBRARY;
}

static int
keep_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) ||
		    object_count == OBJECTS_MAX)
			continue;
		objects[object_count++] = (struct object){
			.base = info->dlpi_addr,
			.start = start,
			.end = start + part->p_memsz,
			.name = info->dlpi_name,
			.kind = kind_of(info->dlpi_name),
		};
	}
	return 0;
}

static const struct object *
object_of(uintptr_t address)
{
	for (size_t i = 0; i < object_count; i++)
		if (address >= objects[i].start && address < objects[i].end)
			return &objects[i];
	return NULL;
}

static void
add_to_id(struct site *s, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < len; i++) /* FNV-1a */
		s->id = (s->id ^ byte[i]) * 0x100000001b3;
}

static void
add_frame(struct site *s, const struct object *o, uintptr_t offset)
{
	if (s->count == FRAMES_OF_SITE)
		return;
	s->object[s->count] = o;
	s->offset[s->count] = offset;
	s->count++;
	add_to_id(s, o->name, strlen(o->name));
	add_to_id(s, &offset, sizeof offset);
}

/* One frame after the other, the innermost first, until enough is known. */
static _Unwind_Reason_Code
on_frame(struct _Unwind_Context *context, void *arg)
{
	struct site *s = arg;
	uintptr_t address = _Unwind_GetIP(context);
	const struct object *o = object_of(address);

	if (o == NULL || o->kind == KIND_SELF)
		return _URC_NO_REASON;
	if (s->owner == KIND_SYSTEM &&
	    (o->kind == KIND_NNG || o->kind == KIND_LIBRARY ||
		o->kind == KIND_PROGRAM))
		s->owner = o->kind;
	if (s->owner == KIND_NNG)
		return _URC_END_OF_STACK;
	/* The number alone needs no more than the owner. */
	if (s->owner != KIND_SYSTEM && fail_at != 0 && number + 1 != fail_at)
		return _URC_END_OF_STACK;
	add_frame(s, o, address - o->base);
	return s->owner != KIND_SYSTEM && s->count == FRAMES_OF_SITE
	    ? _URC_END_OF_STACK
	    : _URC_NO_REASON;
}

/* False where the one who asks is not to be failed. */
static bool
find_site(struct site *s)
{
	*s = (struct site){ .owner = KIND_SYSTEM, .id = 0xcbf29ce484222325 };
	(void)_Unwind_Backtrace(on_frame, s);
	return s->owner == KIND_PROGRAM || s->owner == KIND_LIBRARY;
}

static void
write_line(const struct site *s, uint64_t n)
{
	char line[LINE_MAX_BYTES];
	int used =
	    snprintf(line, sizeof line, "%" PRIu64 " %016" PRIx64, n, s->id);

	for (int i = 0; i < s->count && used < (int)sizeof line - 200; i++) {
		const char *name = s->object[i]->name;

		used += snprintf(line + used, sizeof line - (size_t)used,
		    " %s+%#" PRIxPTR, name[0] != '\0' ? name : "-",
		    s->offset[i]);
	}
	line[used++] = '\n';
	(void)!write(log_fd, line, (size_t)used);
}

static bool
look(void)
{
	struct site s;
	uint64_t n;
	bool fails;

	if (!find_site(&s))
		return false;
	n = atomic_fetch_add(&number, 1) + 1;
	fails = n == fail_at || (s.id == fail_site && fail_site != 0);
	if (fails)
		atomic_store(&failed, true);
	if (log_fd >= 0 && (fails || (fail_at == 0 && fail_site == 0)))
		write_line(&s, n);
	return fails;
}

static bool
fails(void)
{
	int saved = errno;
	bool result;

	if (!armed || looking || atomic_load(&failed))
		return false;
	looking = true;
	result = look();
	looking = false;
	errno = result ? ENOMEM : saved;
	return result;
}

static void
find_real(void)
{
	static bool finding;
	struct {
		const char *name;
		void *where;
	} functions[] = {
		{ "malloc", &real.malloc },
		{ "calloc", &real.calloc },
		{ "realloc", &real.realloc },
		{ "aligned_alloc", &real.aligned_alloc },
	};

	if (finding)
		return;
	finding = true;
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		void *found = dlsym(RTLD_NEXT, functions[i].name);

		memcpy(functions[i].where, &found, sizeof found);
	}
	finding = false;
}

static void *
early_alloc(size_t size)
{
	char *p = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof early ? p : NULL;
}

static bool
is_early(const void *p)
{
	return (const char *)p >= early &&
	    (const char *)p < early + sizeof early;
}

/* --- In place of the C library's ------------------------------------------ */

void *
malloc(size_t size)
{
	if (fails())
		return NULL;
	if (real.malloc == NULL)
		find_real();
	return real.malloc != NULL ? real.malloc(size) : early_alloc(size);
}

void *
calloc(size_t count, size_t size)
{
	if (fails())
		return NULL;
	if (real.calloc == NULL)
		find_real();
	return real.calloc != NULL ? real.calloc(count, size)
				   : early_alloc(count * size);
}

void *
realloc(void *old, size_t size)
{
	if (fails())
		return NULL;
	if (real.realloc == NULL)
		find_real();
	if (is_early(old))
		abort();
	return real.realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	if (fails())
		return NULL;
	if (real.aligned_alloc == NULL)
		find_real();
	return real.aligned_alloc(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

/* A sanitizer's own would not come by here. */
char *
strndup(const char *string, size_t max)
{
	size_t len = strnlen(string, max);
	char *copy = malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, string, len);
	copy[len] = '\0';
	return copy;
}

char *
strdup(const char *string)
{
	return strndup(string, strlen(string));
}

/* --- Start -----------------------------------------------------------------
 */

static main_function *real_main;

static int
armed_main(int argc, char *argv[], char *envp[])
{
	const char *path = getenv("FAIL_ALLOCATION_LOG");
	const char *at = getenv("FAIL_ALLOCATION_AT");
	const char *site = getenv("FAIL_ALLOCATION_SITE");
	(void)dl_iterate_phdr(keep_object, NULL);
	if (path != NULL)
		log_fd = open(path,
		    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (at != NULL)
		fail_at = strtoull(at, NULL, 10);
	if (site != NULL)
		fail_site = strtoull(site, NULL, 16);
	armed = true;
	return real_main(argc, argv, envp);
}

int
__libc_start_main(main_function *entry, int argc, char *argv[],
    void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
    void *stack_end)
{
	void *found = dlsym(RTLD_NEXT, "__libc_start_main");
	int (*next)(main_function *, int, char **, void (*)(void),
	    void (*)(void), void (*)(void), void *);

	memcpy(&next, &found, sizeof next);
	real_main = entry;
	return next(armed_main, argc, argv, init, fini, rtld_fini, stack_end);
}
