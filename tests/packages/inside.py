"""The first steps of a container, taken inside of its namespaces: its files, its devices, its loopback; then it becomes what it is to be."""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys

#: From linux/sched.h.
CLONE_NEWCGROUP = 0x02000000
#: From linux/sockios.h and linux/if.h.
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
DEVICES = ["null", "zero", "full", "random", "urandom", "tty"]


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def own_group(root, name):
    """A control group of its own, which is the root of all that is in the container."""
    whole = f"{root}/sys/fs/cgroup"
    mount("-t", "cgroup2", "cgroup2", whole)
    group = f"{whole}/{name}"
    os.mkdir(group)
    with open(f"{group}/cgroup.procs", "w") as procs:
        procs.write("0")
    subprocess.run(["umount", whole], check=True)
    # Python has a function for this from 3.12 on.
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWCGROUP) != 0:
        raise OSError(ctypes.get_errno(), "a namespace of control groups")
    mount("-t", "cgroup2", "cgroup2", whole)


def main():
    said = json.loads(sys.argv[1])
    root = said["root"]
    # While the folder is still in sight: all that follows is done, or said.
    begun = os.open(os.path.dirname(said["begun"]), os.O_RDONLY | os.O_DIRECTORY)
    mount("--make-rprivate", "/")
    trees = ":".join(said["trees"])
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={trees},upperdir={said['upper']},workdir={said['work']}", root)
    mount("-t", "proc", "proc", f"{root}/proc")
    # What is a machine's own cannot be changed from here.
    mount("-t", "sysfs", "-o", "ro", "sysfs", f"{root}/sys")
    for path, options in [("run", "mode=755"), ("tmp", "mode=1777"), ("dev", "mode=755")]:
        mount("-t", "tmpfs", "-o", options, "tmpfs", f"{root}/{path}")
    for name in DEVICES:
        open(f"{root}/dev/{name}", "w").close()
        mount("--bind", f"/dev/{name}", f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/shm", 0o1777)
    os.mkdir(f"{root}/dev/pts")
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", f"{root}/dev/pts")
    for name, target in [("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]:
        os.symlink(target, f"{root}/dev/{name}")
    if said["has_network"]:
        mount("--bind", "/etc/resolv.conf", resolver(root))
    else:
        loopback()
    socket.sethostname("debian")
    own_group(root, said["group"])
    # Not chroot: systemd makes namespaces of files for its units, which go on from the root of this one.
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "."], check=True)
    subprocess.run(["umount", "--lazy", "."], check=True)
    # As systemd finds it on a machine: the keys of a unit are mounted by a process that has a view of its own.
    mount("--make-rshared", "/")
    os.chdir("/")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "container": "seawall-test"}
    if said["becomes"]:
        become(begun, **said["becomes"])
    if said["boots"]:
        os.execve("/lib/systemd/systemd", ["/lib/systemd/systemd", "--unit=multi-user.target", "--log-target=journal", "--show-status=no"], environment)
    os.execve("/bin/sleep", ["/bin/sleep", "infinity"], environment)


def become(begun, command, user, environment, files, volumes):
    """What a container's engine does: files that were handed in, volumes as the image has them, all else read-only, then the program."""
    for path, text in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o444)
    for path in volumes:
        image = os.stat(path)
        mount("-t", "tmpfs", "-o", f"mode={image.st_mode & 0o7777:o},uid={image.st_uid},gid={image.st_gid}", "tmpfs", path)
    for path in ["/", "/run", "/tmp", "/dev"]:
        mount("-o", "remount,ro", path)
    os.close(os.open("begun", os.O_CREAT | os.O_WRONLY, dir_fd=begun))
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    os.execve(command[0], command, environment)


def resolver(root):
    """An empty file for the names' servers of this machine."""
    path = f"{root}/etc/resolv.conf"
    if not os.path.lexists(path):
        open(path, "w").close()
    return path


main()
