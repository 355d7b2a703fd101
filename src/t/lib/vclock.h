/*
 * vclock.h: time for tests. sys.mono_ns, sys.wall_ns and sys.poll are replaced: no test waits.
 *
 * The clock stands still while anything is ready. When poll(2) finds nothing, it jumps to the
 * caller's deadline, or to the next moment at which a scripted world (net_fake) has something to
 * say, whichever is earlier. A program that waits for ever while the world has nothing to say
 * aborts the test: that is a hang.
 */
#ifndef T_LIB_VCLOCK_H
#define T_LIB_VCLOCK_H

#include <stdbool.h>
#include <stdint.h>

void vclock_install(int64_t wall_s); /* seconds since 1970 at which the clock starts */
int64_t vclock_ms(void); /* monotonic; starts at 1,000,000 */
int64_t vclock_wall_s(void);
void vclock_advance(int64_t ms);
/* From now on time does not pass while the program waits for a socket that the world does not know,
 * another process has its other end, within reason: real seconds, ten. */
void vclock_waits_for_processes(void);
void vclock_step_wall(int64_t s); /* somebody sets the wall clock; the monotonic one goes on */
void vclock_step_wall_in(int64_t ms, int64_t s); /* ... so much later, once */

/* What else acts when time passes: does what is due now and returns whether there was anything;
 * the time of the next act, INT64_MAX: none; whether it has the other end of that socket. */
struct vclock_world {
	bool (*service)(void);
	int64_t (*next_ms)(void);
	bool (*knows)(int fd);
};
void vclock_world(const struct vclock_world *w); /* NULL: none */

#endif
