/*
 * refused.c: what somebody who has taken over a runner would try.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "base/str.h"
#include "t/confine/world.h"

enum { CALLS = SANDBOX_HAS_CALLS, FILES = SANDBOX_HAS_FILES };

static long
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

	if (fd != -1)
		close(fd);
	return fd;
}

/* --- other files -------------------------------------------------------------------------- */

#define TRY(name, call) \
	static long name(void) \
	{ \
		return (call); \
	}

TRY(read_a_secret, try_open(world.secret, O_RDONLY))
TRY(read_passwd, try_open("/etc/passwd", O_RDONLY))
TRY(list_the_root, try_open("/", O_RDONLY | O_DIRECTORY))
TRY(write_hosts, try_open(world.hosts, O_WRONLY))
TRY(write_credentials, try_open(world.auth, O_RDWR))
TRY(truncate_ca, try_open(world.ca, O_WRONLY | O_TRUNC))
TRY(empty_the_log, ftruncate(log_fd(), 0))
TRY(write_over_the_log, fcntl(log_fd(), F_SETFL, 0))
TRY(open_log_again, try_open(world.log, O_WRONLY | O_APPEND))
TRY(remove_resolv_conf, unlink(world.resolv))
TRY(read_own_memory, try_open("/proc/self/mem", O_RDWR))
TRY(open_terminal, try_open("/dev/tty", O_RDWR))

static long
in_folder(const char *name, long (*fn)(const char *path))
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", world.dir, name);
	return fn(path);
}

static long
make(const char *path)
{
	return try_open(path, O_WRONLY | O_CREAT);
}

TRY(make_file_beside_the_spool, in_folder("new", make))

static long
link_out_of_spool(const char *path)
{
	return linkat(world.spool_fd, "wake", AT_FDCWD, path, 0);
}

TRY(link_file_out_of_spool, in_folder("wake", link_out_of_spool))
TRY(move_secret_into_spool, renameat(AT_FDCWD, world.secret, world.spool_fd, "msg/secret"))

/* --- the program -------------------------------------------------------------------------- */

TRY(write_program, try_open(world.program, O_WRONLY))
TRY(truncate_program, truncate(world.program, 0))
TRY(remove_program, unlink(world.program))
TRY(chmod_program, chmod(world.program, 04755))
TRY(replace_program, renameat(world.spool_fd, "wake", AT_FDCWD, world.program))
TRY(touch_program, utimensat(AT_FDCWD, world.program, NULL, 0))

/* --- rights ------------------------------------------------------------------------------- */

TRY(chmod_spool_file, fchmodat(world.spool_fd, "wake", 0666, 0))
TRY(fchmod_spool, fchmod(world.spool_fd, 0777))
TRY(chown_spool, fchown(world.spool_fd, geteuid(), getegid()))
TRY(make_setuid_file, openat(world.spool_fd, "tmp/s", O_RDWR | O_CREAT, 04700))
TRY(make_fifo, mkfifoat(world.spool_fd, "tmp/f", 0600))
TRY(make_folder, mkdirat(world.spool_fd, "tmp/d", 0700))
TRY(make_symlink, symlinkat("/", world.spool_fd, "tmp/l"))
TRY(change_user, setuid(getuid()))
TRY(change_group, setgid(getgid()))

static long
raise_limit(void)
{
	const struct rlimit rl = {0, 0};

	return setrlimit(RLIMIT_CORE, &rl);
}

/* --- other processes ---------------------------------------------------------------------- */

static long
start_program(void)
{
	char *const argv[] = {world.program, NULL};

	return execve("/bin/sh", argv, argv + 1);
}

/* ENOENT when only the files are guarded. */
static long
start_no_program(void)
{
	char *const argv[] = {world.program, NULL};

	return execve("/none", argv, argv + 1);
}

static long
start_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

TRY(signal_parent, kill(world.parent, 0))

/* --- sockets ------------------------------------------------------------------------------ */

static long
try_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

	if (fd != -1)
		close(fd);
	return fd;
}

static long
connect_to_local_socket(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long rc = fd;

	if (fd == -1)
		return -1;
	str_copy(un.sun_path, sizeof(un.sun_path), world.local);
	rc = connect(fd, (const struct sockaddr *)&un, sizeof(un));
	close(fd);
	return rc;
}

TRY(make_local_datagrams, try_socket(AF_UNIX, SOCK_DGRAM, 0))
TRY(make_raw_socket, try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))

static long
make_socket_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static long
wait_for_calls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long rc = listen(fd, 1);

	if (fd != -1) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return rc;
}

/* --- code and the kernel ------------------------------------------------------------------ */

static long
map_code(void)
{
	void *p =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANON, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long
make_data_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long
type_into_terminal(void)
{
	/* without a sandbox EIO or ENOTTY, which is no refusal */
	return ioctl(STDIN_FILENO, TIOCSTI, "x");
}

TRY(have_signals_sent, fcntl(world.spool_fd, F_SETOWN, world.parent))

#if defined(__linux__)
/* Numbers of the last years are the same everywhere; libraries' headers may not have them yet. */
enum { PIDFD_OPEN = 434, PIDFD_GETFD = 438, IO_URING_SETUP = 425, FCHMODAT2 = 452 };

TRY(be_traced, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRY(trace_parent, ptrace(PTRACE_ATTACH, world.parent, NULL, NULL))
TRY(read_parent, syscall(SYS_process_vm_readv, world.parent, NULL, 0UL, NULL, 0UL, 0UL))
TRY(write_parent, syscall(SYS_process_vm_writev, world.parent, NULL, 0UL, NULL, 0UL, 0UL))
TRY(signal_thread, syscall(SYS_tgkill, world.parent, world.parent, 0))
TRY(open_parent, syscall(PIDFD_OPEN, world.parent, 0U))
TRY(take_descriptor, syscall(PIDFD_GETFD, 0, 0, 0U))
TRY(chmod_the_new_way, syscall(FCHMODAT2, AT_FDCWD, world.program, 04755U, 0U))
TRY(set_attribute, syscall(SYS_setxattr, world.program, "user.x", "", 0UL, 0))
TRY(be_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(read_implies_exec, syscall(SYS_personality, 0x0400000UL))
TRY(file_in_memory, syscall(SYS_memfd_create, "x", 0U))
TRY(mount_something, syscall(SYS_mount, "none", "/", "tmpfs", 0UL, NULL))
TRY(new_namespace, syscall(SYS_unshare, 0x10000000UL))
TRY(change_root, syscall(SYS_chroot, world.dir))
TRY(name_handle, syscall(SYS_name_to_handle_at, AT_FDCWD, world.secret, NULL, NULL, 0))
TRY(open_handle, syscall(SYS_open_by_handle_at, world.spool_fd, NULL, 0))
TRY(ring, syscall(IO_URING_SETUP, 1U, NULL))
TRY(keys, syscall(SYS_keyctl, 0, -3, 0, 0, 0))
TRY(bpf, syscall(SYS_bpf, 0, NULL, 0U))
TRY(perf, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0UL))
TRY(user_faults, syscall(SYS_userfaultfd, 0))
TRY(exchange_names, syscall(SYS_renameat2, world.spool_fd, "msg", world.spool_fd, "ctl", 2U))
TRY(link_by_descriptor, linkat(world.spool_fd, "", world.spool_fd, "tmp/e", 0x1000))
TRY(filter_in_kernel, setsockopt(world.spool_fd, SOL_SOCKET, 26, "", 0))
TRY(a_call_of_tomorrow, syscall(9999))
#endif

const struct try refused[] = {
    {"read somebody's file", read_a_secret, FILES},
    {"read /etc/passwd", read_passwd, FILES},
    {"list /", list_the_root, FILES},
    {"write the hosts file", write_hosts, FILES},
    {"write the credentials", write_credentials, FILES},
    {"truncate the CA store", truncate_ca, FILES},
    {"open the log, which is open, again", open_log_again, FILES},
    {"remove resolv.conf", remove_resolv_conf, FILES},
    {"open /proc/self/mem", read_own_memory, FILES},
    {"open /dev/tty", open_terminal, FILES},
    {"make a file beside the spool", make_file_beside_the_spool, FILES},
    {"link a file out of the spool", link_file_out_of_spool, FILES},
    {"move a file into the spool", move_secret_into_spool, FILES},
    {"empty the log", empty_the_log, CALLS},
    {"write over the log", write_over_the_log, CALLS},
    {"write the program", write_program, FILES},
    {"truncate the program", truncate_program, CALLS | FILES},
    {"remove the program", remove_program, FILES},
    {"chmod the program", chmod_program, CALLS},
    {"rename over the program", replace_program, FILES},
    {"touch the program", touch_program, CALLS},
    {"chmod a file of the spool", chmod_spool_file, CALLS},
    {"chmod the spool", fchmod_spool, CALLS},
    {"chown the spool", chown_spool, CALLS},
    {"make a setuid file", make_setuid_file, CALLS},
    {"make a FIFO", make_fifo, CALLS},
    {"make a folder", make_folder, CALLS},
    {"make a symlink", make_symlink, CALLS},
    {"setuid", change_user, CALLS},
    {"setgid", change_group, CALLS},
    {"set a limit", raise_limit, CALLS},
    {"execve", start_program, CALLS},
    {"execve of what is not there", start_no_program, CALLS},
    {"fork", start_process, CALLS},
    {"signal another process", signal_parent, CALLS},
    {"connect to a local socket", connect_to_local_socket, CALLS},
    {"make a local datagram socket", make_local_datagrams, CALLS},
    {"make a raw socket", make_raw_socket, CALLS},
    {"make a pair of sockets", make_socket_pair, CALLS},
    {"listen", wait_for_calls, CALLS},
    {"map code", map_code, CALLS},
    {"make data code", make_data_code, CALLS},
    {"type into a terminal", type_into_terminal, CALLS},
    {"have signals sent", have_signals_sent, CALLS},
#if defined(__linux__)
    {"be traced", be_traced, CALLS},
    {"trace another process", trace_parent, CALLS},
    {"read another process's memory", read_parent, CALLS},
    {"write another process's memory", write_parent, CALLS},
    {"signal a thread", signal_thread, CALLS},
    {"open another process", open_parent, CALLS},
    {"take another process's descriptor", take_descriptor, CALLS},
    {"chmod the new way", chmod_the_new_way, CALLS},
    {"set an extended attribute", set_attribute, CALLS},
    {"be dumpable", be_dumpable, CALLS},
    {"have all memory executable", read_implies_exec, CALLS},
    {"make a file in memory", file_in_memory, CALLS},
    {"mount", mount_something, CALLS},
    {"make a namespace", new_namespace, CALLS},
    {"chroot", change_root, CALLS},
    {"make a file handle", name_handle, CALLS},
    {"open a file handle", open_handle, CALLS},
    {"use io_uring", ring, CALLS},
    {"use keys", keys, CALLS},
    {"use bpf", bpf, CALLS},
    {"use perf", perf, CALLS},
    {"use userfaultfd", user_faults, CALLS},
    {"exchange two names", exchange_names, CALLS},
    {"link a descriptor", link_by_descriptor, CALLS},
    {"run a filter in the kernel", filter_in_kernel, CALLS},
    {"make a call that is not known yet", a_call_of_tomorrow, CALLS},
#endif
};
const size_t nrefused = sizeof(refused) / sizeof(refused[0]);
