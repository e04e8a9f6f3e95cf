/*
 * sandbox_lists - system calls by name, for sandbox_calls.c alone
 *
 * Each list ends with NULL.  A name that the architecture does not have is
 * passed over.
 */
#ifndef COMMON_SANDBOX_LISTS_H
#define COMMON_SANDBOX_LISTS_H

/* A sanitizer's runtime looks into the program from a process of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

extern const char *const sandbox_common[];
extern const char *const sandbox_files[];      /* write and rename them */
extern const char *const sandbox_owners[];     /* give them away */
extern const char *const sandbox_sanitizers[]; /* in a build with one */
extern const char *const sandbox_forbidden[];  /* only an attacker would */

#endif
