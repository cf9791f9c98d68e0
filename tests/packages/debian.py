"""The Debian package: what is in it, what it leaves, and that the page about it is true. The service is in `unit.py`."""

import gzip
import os
import re
import shutil
import subprocess

import clean
import notices
import programs
from claims import claim, hold, same
from programs import ROOT

#: What the package needs, and what makes use of what it brings: a service manager, shells, a reader of manuals.
TOOLS = ["ca-certificates", "systemd", "bash-completion", "zsh", "fish", "man-db"]
NAME = "seawall"
#: The page about it, whose commands are run.
PAGE = ROOT / "docs" / "guides" / "install.md"


class Built:
    """What `prepare` made."""

    package = None
    #: The trees of Debian, the uppermost first.
    plain = None
    booting = ()
    looking = ()


def layers(place):
    """The clean Debians that the claims are about."""
    Built.plain = clean.layer(place, "base", [])
    Built.booting = (clean.layer(place, "tools", TOOLS, below=Built.plain), Built.plain)
    Built.looking = (clean.layer(place, "lintian", ["lintian"], below=Built.plain), Built.plain)


def prepare(place):
    layers(place)
    Built.package = build(place)


def tools():
    """The environment in which `cargo deb` is found."""
    found = {**os.environ, "PATH": f"{programs.TEST / 'tools' / 'bin'}:{os.environ['PATH']}"}
    hold(shutil.which("cargo-deb", path=found["PATH"]), "cargo-deb is missing\nhint: `./test packages` installs it")
    return found


def build(place):
    folder = place / "deb"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    done = subprocess.run([ROOT / "deploy" / "debian" / "build", programs.BINARY, folder], capture_output=True, env=tools(), timeout=300, check=False)
    hold(done.returncode == 0, f"deploy/debian/build: {done.stdout.decode()}{done.stderr.decode()}")
    found = list(folder.glob("*.deb"))
    same(len(found), 1, "packages built")
    return found[0]


def blocks(title, word):
    """The blocks of a section of the page behind this word, in their order."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    hold(section, f"{PAGE.name} has no section {title}")
    return re.findall(rf"^```{word}\n(.*?)^```$", section[1], re.M | re.S)


def hand_in(machine, package=None, name=None):
    """Copies the package to where an operator has it: the current folder."""
    package = package or Built.package
    shutil.copy(package, machine.path(f"/{name or package.name}"))


def installed(door, **options):
    """A clean Debian with the package."""
    machine = clean.container(door, Built.booting, **options)
    hand_in(machine)
    machine.does("dpkg", "-i", f"/{Built.package.name}")
    return machine


def newer(machine, folder, change):
    """The same package, one release later, with its contents changed by `change`."""
    tree = folder / "newer"
    subprocess.run(["dpkg-deb", "-R", Built.package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\g<1>+1", control.read_text(), flags=re.M))
    change(tree)
    later = folder / "newer.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, later], check=True, stdout=subprocess.DEVNULL)
    hand_in(machine, later)
    return f"/{later.name}"


@claim
def the_package_puts_everything_where_debian_has_it(door):
    machine = installed(door)
    verbs = sorted(page.name for page in (ROOT / "docs" / "man").glob("*.1"))
    hold(len(verbs) > 20, f"pages of the manual: {verbs}")
    expected = {
        "/usr/bin/seawall": "root:root 755",
        "/etc/seawall/seawall.toml": "root:root 644",
        "/etc/seawall/credentials": "root:root 700",
        "/usr/lib/systemd/system/seawall.service": "root:root 644",
        "/usr/share/bash-completion/completions/seawall": "root:root 644",
        "/usr/share/zsh/vendor-completions/_seawall": "root:root 644",
        "/usr/share/fish/vendor_completions.d/seawall.fish": "root:root 644",
        **{f"/usr/share/doc/seawall/{name}": "root:root 644" for name in ["copyright", f"{notices.NAME}.gz", "changelog.gz", "changelog.Debian.gz", "README.Debian", "examples/seawall.toml"]},
        **{f"/usr/share/man/man1/{name}.gz": "root:root 644" for name in verbs},
    }
    found = {path: machine.run("stat", "-c", "%U:%G %a", path)[1].strip() for path in expected}
    same(found, expected, "owner and mode of each file")
    same(machine.does("dpkg", "-V", NAME), "", "what dpkg finds changed")
    machine.path("/usr/share/doc/seawall/README.Debian").write_text("changed")
    hold("/usr/share/doc/seawall/README.Debian" in machine.run("dpkg", "-V", NAME)[1], "it would say so")
    theirs = f"/usr/share/doc/seawall/{notices.NAME}.gz"
    notices.check(gzip.decompress(machine.path(theirs).read_bytes()), "the Debian package")
    hold(theirs in machine.path("/usr/share/doc/seawall/copyright").read_text(), "the copyright says where they are")
    conffiles = machine.does("dpkg-query", "-W", "-f", "${Conffiles}", NAME).split()
    same(conffiles[::2], ["/etc/seawall/seawall.toml"], "conffiles")
    said = machine.does("dpkg-query", "-W", "-f", "${Section}|${Maintainer}|${Depends}|${Description}", NAME)
    section, maintainer, depends, description = said.split("|", 3)
    same(section, "net", "section")
    hold(re.fullmatch(r"[^<]+ <[^@ ]+@[^@ ]+>", maintainer), f"maintainer: {maintainer}")
    hold("libc6 (>= " in depends and "ca-certificates" in depends, f"depends: {depends}")
    hold(len(description.splitlines()) > 3, f"description: {description}")
    same(machine.does("seawall", "--version").split()[0], NAME, "the program says its name")
    package, program = Built.package.stat().st_size, machine.path("/usr/bin/seawall").stat().st_size
    print(f"      {package / 2**20:.1f} MiB the .deb, {program / 2**20:.1f} MiB the program in it")


@claim
def the_package_brings_the_manual_and_completions(door):
    machine = installed(door)
    hold("seawall.1" in machine.does("man", "-w", NAME), "the manual is found")
    hold("seawall-status.1" in machine.does("man", "-w", "seawall-status"), "each verb's is")
    hold("--max-retries" in (told := machine.does("man", "seawall-serve")), f"it is read: {told[:300]}")
    bash = (
        "source /usr/share/bash-completion/bash_completion; __load_completion seawall; "
        'COMP_WORDS=(seawall stat); COMP_CWORD=1; COMP_LINE="seawall stat"; COMP_POINT=12; $(complete -p seawall | sed "s/.*-F \\([^ ]*\\).*/\\1/") seawall stat seawall; echo "${COMPREPLY[@]}"'
    )
    same(machine.does("bash", "-c", bash).strip(), "status", "bash completes a verb")
    same(machine.does("zsh", "-fc", "autoload -U compinit && compinit -u -D && print $_comps[seawall]").strip(), "_seawall", "zsh knows the completion")
    hold("status" in machine.does("fish", "-c", "complete -C 'seawall stat'"), "fish completes a verb")


@claim
def the_configuration_of_the_package_is_valid_as_it_is_and_with_a_key(door):
    machine = installed(door)
    check = ["seawall", "config", "check", "--config", "/etc/seawall/seawall.toml"]
    machine.does(*check)
    machine.does("seawall", "config", "check", "--config", "/usr/share/doc/seawall/examples/seawall.toml")
    written = machine.path("/etc/seawall/seawall.toml").read_text()
    machine.put("/etc/seawall/seawall.toml", re.sub(r"^#(?=[a-z_]+ = )", "", written, flags=re.M))
    keys = {"CREDENTIALS_DIRECTORY": "/etc/seawall/credentials"}
    code, _, err = machine.run(*check, environment=keys)
    same(code, 3, "without the file")
    hold("needs the credential openai, which cannot be read: no such file or directory" in err, err)
    code, _, err = machine.run(*check)
    hold(code == 3 and "needs the credential openai, but CREDENTIALS_DIRECTORY is not set" in err, err)
    machine.put("/etc/seawall/credentials/openai", "sk-made-up-for-the-tests\n", 0o600)
    machine.does(*check, environment=keys)
    shown = machine.does("seawall", "config", "show", "--config", "/etc/seawall/seawall.toml", environment=keys)
    hold("credential openai" in shown and "sk-made-up" not in shown, f"where the key comes from, and not the key: {shown[-2000:]}")


@claim
def an_upgrade_keeps_what_was_changed_and_a_purge_leaves_nothing(door):
    machine = clean.container(door, Built.booting)
    before = machine.files()
    hand_in(machine)
    machine.does("dpkg", "-i", f"/{Built.package.name}")
    own = "\n# Ours.\n"
    file = machine.path("/etc/seawall/seawall.toml")
    file.write_text(file.read_text() + own)
    machine.put("/etc/seawall/credentials/openai", "sk-made-up-for-the-tests", 0o600)

    def other(tree):
        conffile = tree / "etc" / "seawall" / "seawall.toml"
        conffile.write_text("# Another one.\n" + conffile.read_text())

    # What the package itself has not changed is not even asked about.
    machine.does("dpkg", "-i", newer(machine, door.folder, lambda tree: None))
    hold(file.read_text().endswith(own), "it stays over an upgrade")
    hold("+1" in machine.does("dpkg-query", "-W", "-f", "${Version}", NAME), "it is the newer one")
    shutil.rmtree(door.folder / "newer")
    machine.does("dpkg", "-i", "--force-confdef", "--force-confold", newer(machine, door.folder, other))
    hold(file.read_text().endswith(own), "it stays where the package has changed its own, too")
    hold(machine.path("/etc/seawall/seawall.toml.dpkg-dist").exists(), "and that lies beside it")
    machine.does("dpkg", "--remove", NAME)
    hold(file.read_text().endswith(own) and machine.path("/etc/seawall/credentials/openai").exists(), "a removal keeps configuration and keys")
    hold(not machine.path("/usr/bin/seawall").exists(), "and nothing else")
    machine.does("dpkg", "--purge", NAME)
    handed_in = {f"/{Built.package.name}", "/newer.deb"}
    same(sorted(machine.files() - before - handed_in), [], "what a purge leaves")
    same(sorted(before - machine.files()), [], "what a purge takes away that was not its own")


@claim
def lintian_finds_no_error_in_the_package(door):
    machine = clean.container(door, Built.looking)
    hand_in(machine)
    machine.does("useradd", "--create-home", "looks")
    looks = ["su", "looks", "-c"]
    code, out, err = machine.run(*looks, f"cd /tmp && lintian --fail-on error --tag-display-limit 0 /{Built.package.name}", seconds=120)
    hold(code == 0, f"exit {code}:\n{out}{err}")

    # A check that cannot fail is none.
    def wrong(tree):
        (tree / "usr" / "share" / "doc" / NAME / "copyright").unlink()

    code, out, _ = machine.run(*looks, f"cd /tmp && lintian --fail-on error {newer(machine, door.folder, wrong)}", seconds=120)
    errors = [line for line in out.splitlines() if line.startswith("E: ")]
    hold(code != 0 and any("no-copyright-file" in error for error in errors), f"a package without its copyright: {errors}")
