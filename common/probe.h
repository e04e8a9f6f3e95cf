/*
 * probe - static tracepoints, for bpftrace, perf and SystemTap
 *
 * Built with -DUSDT=ON; otherwise they are nothing.  One that nobody looks at
 * is a no-op instruction.  Provider userli_bridge; ids are those of the logs,
 * no argument is personal.
 *
 *   lookup_start(id, map)            frontend: a request of Postfix's
 *   lookup_done(id, outcome)         frontend: its reply
 *   call_start(id, map)              backend: a call of a frontend's
 *   call_done(id, outcome, source)   backend: its result
 *   userli_start(id)                 backend: a request to userli
 *   userli_done(id, status, code)    backend: what came of it
 *
 *   bpftrace -e 'usdt:./userli-bridge-backend:call_done { @[arg1] = count(); }'
 */
#ifndef COMMON_PROBE_H
#define COMMON_PROBE_H

#include <stdint.h> /* of which ids are */

#ifdef USDT
#include <sys/sdt.h>
#ifdef __clang__ /* sdt.h's macros expand to what it warns of */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define PROBE1(name, a) DTRACE_PROBE1(userli_bridge, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(userli_bridge, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(userli_bridge, name, a, b, c)
#else
#define PROBE1(name, a) ((void)0)
#define PROBE2(name, a, b) ((void)0)
#define PROBE3(name, a, b, c) ((void)0)
#endif

#endif
