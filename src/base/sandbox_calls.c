/*
 * sandbox_calls.c: Linux's seccomp: which system calls may be made, and with which arguments.
 *
 * The table is the whole policy. The first row that fits a call decides: it is allowed, or fails with
 * EPERM. A call that no row names fails with ENOSYS, as in an older kernel, so that a C library
 * newer than this table falls back to what it did before that call was there. Nothing is ever killed.
 *
 * Kernel and libc: src/t/confine shows that what a run needs is there; a call missing here is seen with
 * strace -f -Z -e trace=all. Architectures that are not named below go without.
 */
#include "base/sandbox_impl.h"

#if defined(__linux__)
#include <endian.h>

#if defined(__x86_64__) && defined(__LP64__)
#define MACHINE 0xc000003eU
#elif defined(__aarch64__) && defined(__LP64__) && BYTE_ORDER == LITTLE_ENDIAN
#define MACHINE 0xc00000b7U
#elif defined(__riscv) && defined(__LP64__)
#define MACHINE 0xc00000f3U
#endif
#endif

#ifdef MACHINE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <unistd.h>

#include "base/log.h"

enum { RUNNER = 1, BROKER = 2, BOTH = RUNNER | BROKER, NOBODY = 0 };
enum { CONDITIONS = 3, LINES_MAX = 1024 };

struct condition { /* (argument & mask) == value; mask 0: none */
	unsigned arg;
	uint64_t mask, value;
};

struct row {
	int call;
	int who; /* may; everybody else gets EPERM */
	struct condition when[CONDITIONS];
};

#define INT 0xffffffffU /* the kernel looks at these bits of an int */
#define IS(arg, value) \
	{ \
		(arg), INT, (value) \
	}
#define HAS_NONE(arg, bits) \
	{ \
		(arg), (bits), 0 \
	}
#define IS_NULL(arg) \
	{ \
		(arg), UINT64_MAX, 0 \
	}
/* socket(2): type without the flags */
#define IS_TYPE(arg, value) \
	{ \
		(arg), INT & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC), (value) \
	}
#define IS_SELF(arg) IS(arg, OWN_PID)
#define OWN_PID UINT64_MAX /* put in when the filter is made */
#define IS_LOG(arg) IS(arg, LOG_FD)
#define LOG_FD (UINT64_MAX - 1) /* as well */

#define MAY(who, call) \
	{ \
		SYS_##call, (who), \
		{ \
			NO_CONDITION \
		} \
	}
#define MAY_IF(who, call, ...) \
	{ \
		SYS_##call, (who), \
		{ \
			__VA_ARGS__ \
		} \
	}
#define NEVER(call) MAY(NOBODY, call)
#define NEVER_IF(call, ...) MAY_IF(NOBODY, call, __VA_ARGS__)
#define NO_CONDITION \
	{ \
		0, 0, 0 \
	}

enum { NO_MODES = 07111 }; /* a new file is nobody's to execute, least of all set-user-ID */
#define TCGETS2_NUMBER 0x802c542aU /* glibc's isatty(3) from 2.42 on */

static const struct row table[] = {
    /* What is open. Writing here is writing to what was opened for it. */
    MAY(BOTH, read),
    MAY(BOTH, write),
    MAY(RUNNER, pread64),
    MAY(RUNNER, pwrite64),
    MAY(BOTH, readv), /* musl's stdio */
    MAY(BOTH, writev),
    MAY(BOTH, lseek),
    MAY(BOTH, close),
    MAY(BOTH, fstat),
    MAY_IF(BOTH, fcntl, IS(1, F_GETFD)),
    MAY_IF(BOTH, fcntl, IS(1, F_SETFD)),
    MAY_IF(BOTH, fcntl, IS(1, F_GETFL)),
    NEVER_IF(fcntl, IS(1, F_SETFL), IS_LOG(0)), /* lines are appended, whoever writes them */
    MAY_IF(BOTH, fcntl, IS(1, F_SETFL)),
    NEVER(fcntl), /* F_SETOWN sends signals to others, F_SETLEASE holds them up */
    MAY_IF(BOTH, ioctl, IS(1, TCGETS)), /* stdio: is it a terminal? */
    MAY_IF(BOTH, ioctl, IS(1, TCGETS2_NUMBER)),
    MAY_IF(BOTH, ioctl, IS(1, TIOCGWINSZ)),
    MAY_IF(RUNNER, ioctl, IS(1, SIOCGIFINDEX)), /* nameserver fe80::1%eth0 */
    NEVER(ioctl), /* TIOCSTI types into somebody's terminal */

    /* The spool, and what is read again: all within what Landlock allows. */
    MAY_IF(RUNNER, openat, HAS_NONE(3, NO_MODES)),
    NEVER(openat),
    MAY(BOTH, newfstatat),
#ifdef SYS_statx
    MAY(BOTH, statx),
#endif
    MAY(RUNNER, getdents64),
    NEVER_IF(ftruncate, IS_LOG(0)), /* which would hide who was here */
    MAY(RUNNER, ftruncate),
    MAY(RUNNER, fsync),
    MAY(RUNNER, fdatasync),
    MAY(RUNNER, flock),
    MAY_IF(RUNNER, linkat, IS(4, 0)),
    NEVER(linkat),
#ifdef SYS_renameat
    MAY(RUNNER, renameat),
#endif
    MAY_IF(RUNNER, renameat2, IS(4, 0)),
    NEVER(renameat2),
    MAY_IF(RUNNER, unlinkat, IS(2, 0)),
    NEVER(unlinkat),
    MAY_IF(RUNNER, utimensat, IS_NULL(1)), /* futimens(3): when a message is due */
    NEVER(utimensat), /* Landlock lets one touch any name */

    /*
     * Connecting over IP; asking the kernel for our own addresses. The broker alone has sockets in the
     * file system. Nobody listens, and none is raw or of a protocol that few have looked at.
     */
    MAY_IF(RUNNER, socket, IS(0, AF_INET), IS_TYPE(1, SOCK_STREAM), IS(2, 0)),
    MAY_IF(RUNNER, socket, IS(0, AF_INET), IS_TYPE(1, SOCK_DGRAM), IS(2, 0)),
    MAY_IF(RUNNER, socket, IS(0, AF_INET6), IS_TYPE(1, SOCK_STREAM), IS(2, 0)),
    MAY_IF(RUNNER, socket, IS(0, AF_INET6), IS_TYPE(1, SOCK_DGRAM), IS(2, 0)),
    MAY_IF(RUNNER, socket, IS(0, AF_NETLINK), IS_TYPE(1, SOCK_RAW), IS(2, 0)), /* NETLINK_ROUTE */
    MAY_IF(BROKER, socket, IS(0, AF_UNIX), IS_TYPE(1, SOCK_STREAM), IS(2, 0)),
    MAY_IF(BROKER, socket, IS(0, AF_UNIX), IS_TYPE(1, SOCK_DGRAM), IS(2, 0)),
    NEVER(socket),
    MAY(BOTH, connect),
    MAY(RUNNER, bind), /* to the address that our mail is to come from */
    MAY(BOTH, sendto),
    MAY(BOTH, recvfrom),
    MAY(BOTH, sendmsg),
    MAY(BOTH, recvmsg), /* a socket that the broker has connected */
    MAY(BOTH, shutdown),
    MAY(BOTH, getsockname),
    MAY(BOTH, getpeername),
    MAY(BOTH, getsockopt),
    MAY_IF(RUNNER, setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
    NEVER(setsockopt), /* SO_ATTACH_FILTER runs code in the kernel */
    NEVER(socketpair),
    NEVER(listen),
    NEVER(accept),
    NEVER(accept4),

/* Waiting. The kernel goes on with restart_syscall after SIGSTOP and SIGCONT. */
#ifdef SYS_poll
    MAY(BOTH, poll),
#endif
    MAY(BOTH, ppoll),
    MAY(BOTH, restart_syscall),
    MAY(BOTH, wait4), /* for helpers, whose parent we are */
    MAY(BOTH, futex), /* pthread_once(3) in OpenSSL */
    MAY(BOTH, sched_yield),

    /* Memory; no code but what was loaded at the start. */
    MAY(BOTH, brk),
    MAY_IF(BOTH, mmap, HAS_NONE(2, PROT_EXEC)),
    NEVER(mmap),
    MAY_IF(BOTH, mprotect, HAS_NONE(2, PROT_EXEC)),
    NEVER(mprotect),
    MAY(BOTH, munmap),
    MAY(BOTH, mremap),
    MAY(BOTH, madvise),

    /* Time, chance, and questions about ourselves. */
    MAY(BOTH, clock_gettime),
    MAY(BOTH, clock_getres),
    MAY(BOTH, gettimeofday),
    MAY(BOTH, getrandom),
    MAY(BOTH, getpid),
    MAY(BOTH, getppid),
    MAY(BOTH, gettid),
    MAY(BOTH, getuid),
    MAY(BOTH, geteuid),
    MAY(BOTH, getgid),
    MAY(BOTH, getegid),
    MAY(BOTH, uname), /* gethostname(3) */
    MAY(BOTH, sysinfo), /* glibc's qsort(3) asks how much memory there is */
    MAY(BOTH, sched_getaffinity),
    MAY(BOTH, getrusage),
#ifdef SYS_getrlimit
    MAY(BOTH, getrlimit),
#endif
    MAY_IF(BOTH, prlimit64, IS(0, 0), IS_NULL(2)),
    NEVER(prlimit64),

    /* Our own signals and our own end: abort(3) sends itself one. */
    MAY(BOTH, rt_sigaction),
    MAY(BOTH, rt_sigprocmask),
    MAY(BOTH, rt_sigreturn),
    MAY(BOTH, sigaltstack),
    MAY_IF(BOTH, tgkill, IS_SELF(0)),
    NEVER(tgkill),
    MAY_IF(BOTH, tkill, IS_SELF(0)), /* musl's; we have one thread, whose number is our pid */
    NEVER(tkill),
    MAY(BOTH, exit),
    MAY(BOTH, exit_group),

#ifdef SYS_open /* what only the oldest architecture has; musl prefers these */
    MAY_IF(RUNNER, open, HAS_NONE(2, NO_MODES)),
    NEVER(open),
    MAY(BOTH, stat),
    MAY(BOTH, lstat),
    MAY(BOTH, time),
    NEVER(creat),
    NEVER(fork),
    NEVER(vfork),
    NEVER(chmod),
    NEVER(chown),
    NEVER(lchown),
    NEVER(symlink),
    NEVER(mknod),
    NEVER(mkdir),
    NEVER(iopl),
    NEVER(ioperm),
    NEVER(modify_ldt),
#endif

    /* What somebody who has taken over a runner would like. Newer ways than these get ENOSYS. */
    NEVER(execve),
    NEVER(execveat),
    NEVER(clone),
    NEVER(kill),
    NEVER(rt_sigqueueinfo),
    NEVER(rt_tgsigqueueinfo),
    NEVER(ptrace),
    NEVER(process_vm_readv),
    NEVER(process_vm_writev),
    NEVER(kcmp),
    NEVER(prctl),
    NEVER(personality), /* READ_IMPLIES_EXEC */
    NEVER(fchmod), /* a setuid file of ours would be a door for everybody */
    NEVER(fchmodat),
    NEVER(fchown),
    NEVER(fchownat),
    NEVER(setxattr),
    NEVER(lsetxattr),
    NEVER(fsetxattr),
    NEVER(truncate),
    NEVER(symlinkat),
    NEVER(mknodat),
    NEVER(mkdirat), /* all of the spool is made when it is opened */
    NEVER(setuid),
    NEVER(setgid),
    NEVER(setreuid),
    NEVER(setregid),
    NEVER(setresuid),
    NEVER(setresgid),
    NEVER(setgroups),
    NEVER(setfsuid),
    NEVER(setfsgid),
    NEVER(capset),
    NEVER(mount),
    NEVER(umount2),
    NEVER(pivot_root),
    NEVER(chroot),
    NEVER(unshare),
    NEVER(setns),
    NEVER(name_to_handle_at), /* around Landlock */
    NEVER(open_by_handle_at),
    NEVER(memfd_create),
    NEVER(add_key),
    NEVER(request_key),
    NEVER(keyctl),
    NEVER(bpf),
    NEVER(perf_event_open),
    NEVER(userfaultfd),
    NEVER(init_module),
    NEVER(finit_module),
    NEVER(kexec_load),
    NEVER(reboot),
    NEVER(settimeofday),
    NEVER(clock_settime),
#ifdef SYS_clone3
    NEVER(clone3),
    NEVER(pidfd_open),
    NEVER(pidfd_send_signal),
    NEVER(io_uring_setup), /* opens, connects and writes where no filter sees it */
    NEVER(io_uring_enter),
    NEVER(io_uring_register),
    NEVER(open_tree),
    NEVER(move_mount),
    NEVER(fsopen),
#endif
#ifdef SYS_pidfd_getfd
    NEVER(pidfd_getfd),
#endif
};

enum { ROWS = sizeof(table) / sizeof(table[0]) };

/* --- the table as a program of the kernel's filter machine (classic BPF) ------------------- */

struct line { /* struct sock_filter */
	uint16_t code;
	uint8_t if_so, if_not; /* how many lines to skip */
	uint32_t k;
};

struct program { /* struct sock_fprog */
	unsigned short n;
	struct line *lines;
};

enum { LOAD = 0x20, AND = 0x54, IF_EQUAL = 0x15, RETURN = 0x06 };
enum { AT_CALL = 0, AT_MACHINE = 4, AT_ARGS = 16 }; /* in struct seccomp_data */

#define ALLOW 0x7fff0000U
#define FAIL(error) (0x00050000U | (unsigned)(error))

static void
add(struct program *p, uint16_t code, uint32_t k)
{
	p->lines[p->n++] = (struct line){.code = code, .k = k};
}

/* Half of an argument: the machine has 32 bits. */
static void
add_test(struct program *p, size_t at, uint32_t mask, uint32_t value)
{
	if (mask == 0)
		return;
	add(p, LOAD, (uint32_t)at);
	if (mask != UINT32_MAX)
		add(p, AND, mask);
	add(p, IF_EQUAL, value);
}

static uint64_t
value_of(const struct condition *c)
{
	if (c->value == OWN_PID)
		return (uint64_t)getpid();
	return c->value == LOG_FD ? (uint32_t)log_fd() : c->value;
}

static void
add_condition(struct program *p, const struct condition *c)
{
	size_t at = AT_ARGS + sizeof(uint64_t) * c->arg;
	uint64_t value = value_of(c);

	add_test(p, at, (uint32_t)c->mask, (uint32_t)value);
	add_test(p, at + sizeof(uint32_t), (uint32_t)(c->mask >> 32), (uint32_t)(value >> 32));
}

/* The number of the call is loaded before and after it. */
static void
add_row(struct program *p, const struct row *r, int who)
{
	unsigned first = p->n, end;

	add(p, IF_EQUAL, (uint32_t)r->call);
	for (size_t i = 0; i < CONDITIONS; i++)
		add_condition(p, &r->when[i]);
	add(p, RETURN, (r->who & who) != 0 ? ALLOW : FAIL(EPERM));
	end = p->n;
	if (end > first + 2)
		add(p, LOAD, AT_CALL);
	p->lines[first].if_not = (uint8_t)(p->n - first - 1);
	for (unsigned i = first + 1; i < end; i++)
		if (p->lines[i].code == IF_EQUAL)
			p->lines[i].if_not = (uint8_t)(end - i - 1);
}

bool
sandbox_calls(enum sandbox_kind kind)
{
	struct line lines[LINES_MAX];
	struct program p = {.lines = lines};
	int who = kind == SANDBOX_RUNNER ? RUNNER : BROKER;

	add(&p, LOAD, AT_MACHINE);
	add(&p, IF_EQUAL,
	    MACHINE); /* the same number is another call on another of the kernel's ABIs */
	lines[p.n - 1].if_so = 1;
	add(&p, RETURN, FAIL(ENOSYS));
	add(&p, LOAD, AT_CALL);
	for (size_t i = 0; i < ROWS; i++)
		add_row(&p, &table[i], who);
	add(&p, RETURN, FAIL(ENOSYS));
	return prctl(PR_SET_SECCOMP, 2UL /* SECCOMP_MODE_FILTER */, &p, 0UL, 0UL) == 0;
}

#else

bool
sandbox_calls(enum sandbox_kind kind)
{
	(void)kind;
	return false;
}

#endif
