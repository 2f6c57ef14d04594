"""What each system call of a session may do: allowed, allowed after a look, refused, or unknown.

Refused calls answer EPERM, which programs read as "you may not". All others answer ENOSYS, as if
the kernel were older, so that programs fall back to what they did before the call existed.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALLOWED = _names(
    """
    accept accept4 access alarm arch_prctl bind brk capget chdir chmod
    clock_getres clock_gettime clock_nanosleep close close_range connect
    copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group
    faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fdatasync
    fgetxattr flistxattr flock fork fstat fstatfs fsync ftruncate futex
    futex_waitv getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid
    getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch kill lgetxattr link linkat
    listen listxattr llistxattr lseek lstat madvise membarrier mincore mkdir mkdirat mlock
    mlock2 mmap mprotect mremap msync munlock munmap nanosleep newfstatat
    open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 poll ppoll pread64 preadv
    preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat
    readv recvfrom recvmmsg recvmsg rename renameat renameat2 restart_syscall rmdir rseq
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_yield select sendfile sendmmsg sendmsg sendto
    set_robust_list get_robust_list set_tid_address setitimer setpgid
    setpriority setrlimit setsid setsockopt shutdown sigaltstack signalfd signalfd4
    splice stat statfs statx symlink symlinkat sync_file_range sysinfo tee tgkill time
    timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat
    utime utimensat utimes vfork vmsplice wait4 waitid write writev
    """
)

CHECKED = frozenset({"clone", "fcntl", "ioctl", "prctl", "socket", "socketpair", "memfd_create"})

REFUSED = _names(
    """
    acct add_key adjtimex bpf capset chown chroot clock_adjtime clock_settime delete_module
    fanotify_init fanotify_mark fchown fchownat finit_module fsconfig fsmount fsopen fspick
    fsetxattr fremovexattr init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl
    kcmp kexec_file_load kexec_load keyctl lchown lookup_dcookie lremovexattr lsetxattr mknod
    mknodat mount mount_setattr move_mount move_pages msgctl msgget msgrcv msgsnd
    name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open personality
    pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace quotactl
    quotactl_fd reboot removexattr request_key sched_setattr sched_setparam sched_setscheduler
    semctl semget semop semtimedop setdomainname setfsgid setfsuid setgid setgroups sethostname
    setns setregid setresgid setresuid setreuid settimeofday setuid setxattr shmat shmctl shmdt
    shmget swapoff swapon syslog timer_create umount2 unshare userfaultfd vhangup vserver
    """
)

# Clone flags that would make namespaces: new mount, cgroup, uts, ipc, user, pid or net ones.
CLONE_NAMESPACES = 0x7E020000
AF_UNIX = 1
# Terminal size and attributes, bytes waiting, non-blocking, close-on-exec, foreground group.
IOCTLS = (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# Duplicating, flags, locks, owner, open-file-description locks, pipe size read, seals. No leases
# and no choice of signal: a timer or a lease must not wake a session that is stopped.
FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 36, 37, 38, 1030, 1032, 1033, 1034)
# Names, dumpable, the state of seccomp, of the bounding set and of no_new_privs.
PRCTLS = (3, 4, 15, 16, 21, 23, 38, 39)
