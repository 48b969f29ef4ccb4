#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
# run-tests: timeout 400
"""What is installed: where it goes, what the libraries export and need, and that a program can be built against it."""
import os
import re
import shutil

from lib.tap import case, run

PROGRAM = """#include <coapsule/error.h>
#include <stdio.h>
int main(void)
{
    puts(cps_err_name(CPS_OK));
    return cps_err_exit(CPS_OK);
}
"""
EXAMPLE = """cmake_minimum_required(VERSION 3.25)
project(example LANGUAGES C)
find_package(coapsule 0.1 REQUIRED)
add_executable(by-cmake sensor.c)
target_link_libraries(by-cmake PRIVATE coapsule::coapsule)
"""
CMAKE = """cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(coapsule 0.1 REQUIRED)
foreach(library coapsule core coapsule-static core-static)
    add_executable(user-${library} user.c)
    target_link_libraries(user-${library} PRIVATE coapsule::${library})
endforeach()
"""
# What an engine must never ask the system for: descriptors, clocks, threads, chance.
FORBIDDEN = {"socket", "bind", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "open", "open64", "openat", "read",
             "write", "fopen", "fopen64", "fwrite", "printf", "puts", "clock_gettime", "gettimeofday", "time", "getrandom",
             "getentropy", "rand", "random", "pthread_create", "usleep", "nanosleep", "getenv"}


def installed(t):
    """A folder with what `cmake --install` puts below DESTDIR."""
    root = t.tmp / "dest"
    assert t.run(["cmake", "--install", t.build, "--prefix", "/usr"], env={"DESTDIR": str(root)}).status == 0
    return root / "usr"


def libraries(usr):
    return next(usr.glob("lib*/**/libcoapsule.so")).parent


def undefined(t, library):
    done = t.run(["nm", "-D", "--undefined-only", library])
    return {line.split()[-1].split("@")[0] for line in done.out.splitlines()}


def needed(t, library):
    return set(re.findall(r"\(NEEDED\).*\[(.*?)\]", t.run(["readelf", "-d", library]).out))


@case("", "everything goes below DESTDIR: headers, both forms of both libraries, descriptions")
def places(t):
    usr = installed(t)
    lib = libraries(usr)
    names = {p.name for p in lib.iterdir()}
    for name in ("coapsule", "coapsule-core"):
        assert {f"lib{name}.so", f"lib{name}.so.0", f"lib{name}.a"} <= names, names
        assert (lib / "pkgconfig" / f"{name}.pc").exists()
    here = {p.name for p in (t.source / "include" / "coapsule").iterdir()}
    assert {p.name for p in (usr / "include" / "coapsule").iterdir()} == here
    assert {p.name for p in (t.tmp / "dest").iterdir()} == {"usr", "etc"}


@case("", "the core needs libc and libcrypto alone, and asks the system for nothing that an engine must not")
def core_is_pure(t):
    core = t.build / "libcoapsule-core.so"
    assert needed(t, core) <= {"libc.so.6", "libcrypto.so.3"}, needed(t, core)
    assert not undefined(t, core) & FORBIDDEN, undefined(t, core) & FORBIDDEN


# Each with the record that allows it.
STATE_OF_THE_PROCESS = {"lock_registry"}  # docs/adr/0003-owner-lock.md


@case("", "no room keeps state of its own: the libraries have constant tables alone")
def no_globals(t):
    listed = t.run(["objdump", "-t", t.build / "libcoapsule.a"])
    assert listed.status == 0
    # A constant table of pointers stands in .data.rel.ro, which the loader closes.
    changeable = [line.split()[-1] for line in listed.out.splitlines()
                  if re.search(r" O (\*COM\*|\.t?data|\.t?bss)", line) and " .data.rel.ro" not in line]
    assert set(changeable) == STATE_OF_THE_PROCESS, changeable


def declared(source):
    """Names of the functions that the public headers declare."""
    names = set()
    for header in (source / "include" / "coapsule").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
        names |= set(re.findall(r"\b(\w+)\s*\(", " ".join(re.findall(r"CPS_API\b[^;{]*;", text))))
    return {n for n in names if n.startswith("cps_")}


@case("OPS-46", "libraries have a versioned soname and export the public names only; a C++ program uses every header")
def exports(t):
    public = declared(t.source)
    for name in ("coapsule", "coapsule-core"):
        library = t.build / f"lib{name}.so"
        assert re.search(rf"SONAME.*\[lib{name}\.so\.\d+\]", t.run(["readelf", "-d", library]).out)
        listed = t.run(["nm", "-D", "--defined-only", library]).out
        exported = {line.split()[-1] for line in listed.splitlines()}
        assert exported and exported <= public, exported - public
    assert exported_by(t, "coapsule") == public, public ^ exported_by(t, "coapsule")
    usr = installed(t)
    headers = sorted(p.name for p in (usr / "include" / "coapsule").iterdir())
    (t.tmp / "all.cpp").write_text("".join(f"#include <coapsule/{h}>\n" for h in headers)
                                   + "int main() { return cps_err_exit(CPS_OK); }\n")
    lib = libraries(usr)
    built = t.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{usr}/include", "all.cpp", "-o", "all", f"-L{lib}",
                   "-lcoapsule"])
    assert built.status == 0
    assert t.run(["./all"], env={"LD_LIBRARY_PATH": str(lib)}).status == 0


OLD = """#include <coapsule/coapsule.h>
#include <cstdio>
#include <cstring>
#include <thread>
static cps_err_t hello(cps_request_t *request, void *) { return cps_reply_text(request, CPS_CONTENT, "hello"); }
int main()
{
    cps_server_t *server;
    cps_server_options_t how = {};
    how.size = sizeof how;
    how.listen = "coap://127.0.0.1:0";
    how.quiet = true;
    cps_resource_t resource = {};
    resource.size = sizeof resource;
    resource.path = "a";
    resource.get = hello;
    if (cps_server_new(&server, &how) != CPS_OK || cps_server_add(server, &resource) != CPS_OK)
        return 1;
    std::thread serving([server] { (void)!cps_server_run(server); });
    cps_client_t *client;
    cps_response_t *response = nullptr;
    cps_client_options_t options = {};
    options.size = sizeof options;
    cps_client_request_t request = {};
    char uri[64];
    std::snprintf(uri, sizeof uri, "coap://%s/a", cps_server_address(server, 0));
    request.size = sizeof request;
    request.method = CPS_GET;
    request.uri = uri;
    cps_err_t err = cps_client_new(&client, &options);
    if (err == CPS_OK)
        err = cps_client_request(client, &request, &response);
    if (err == CPS_OK)
        std::printf("%zu %zu %zu %zu %s\\n", sizeof how, sizeof resource, sizeof options, sizeof request,
                    std::memcmp(cps_response_payload(response).ptr, "hello", 5) == 0 ? "hello" : "?");
    cps_response_free(response);
    cps_client_free(client);
    cps_server_stop(server);
    serving.join();
    cps_server_free(server);
    return err;
}
"""
SIZED = ("cps_server_options", "cps_resource", "cps_client_options", "cps_client_request")


def older(text):
    """A header as it was before the last member of each struct that has a size."""
    for name in SIZED:
        head, found, rest = text.partition(f"typedef struct {name} {{")
        if not found:
            continue
        body, end, tail = rest.partition(f"}} {name}_t;")
        members = re.split(r"(?<=;)", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL))
        text = head + found + "".join(members[:-2]) + "\n" + end + tail
    return text


@case("OPS-45", "a program that was built against older headers runs with this library, later members at their defaults")
def older_program(t):
    usr = installed(t)
    lib = libraries(usr)
    sizes = []
    for age in (0, 1):
        if age:
            for path in (usr / "include" / "coapsule").iterdir():
                path.write_text(older(path.read_text(encoding="utf-8")))
        (t.tmp / "old.cpp").write_text(OLD)
        built = t.run(["g++", "-std=c++17", "-Wall", f"-I{usr}/include", "old.cpp", "-o", f"old{age}", f"-L{lib}", "-lcoapsule",
                       "-pthread"])
        assert built.status == 0, built.describe()
        done = t.run([f"./old{age}"], env={"LD_LIBRARY_PATH": str(lib)})
        assert done.status == 0 and done.out.endswith("hello\n"), done.describe()
        sizes.append([int(word) for word in done.out.split()[:4]])
    assert all(old <= new for new, old in zip(*sizes)) and sizes[0] != sizes[1], sizes


def exported_by(t, name):
    listed = t.run(["nm", "-D", "--defined-only", t.build / f"lib{name}.so"]).out
    return {line.split()[-1] for line in listed.splitlines()}


@case("", "every public header stands on its own, in C17 without extensions and in C++")
def headers_alone(t):
    for header in sorted((t.source / "include" / "coapsule").glob("*.h")):
        for compiler, suffix, standard in (("cc", "c", "c17"), ("c++", "cpp", "c++17")):
            (t.tmp / f"one.{suffix}").write_text(f"#include <coapsule/{header.name}>\n#include <coapsule/{header.name}>\n")
            done = t.run([compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic-errors", "-fsyntax-only",
                          f"-I{t.source}/include", f"one.{suffix}"])
            assert done.status == 0, header.name


@case("", "a program is built by pkg-config against each library, shared and static, and by find_package")
def users_program(t):
    usr = installed(t)
    lib = libraries(usr)
    (t.tmp / "user.c").write_text(PROGRAM)
    described = {"PKG_CONFIG_PATH": str(lib / "pkgconfig")}
    for name in ("coapsule", "coapsule-core"):
        flags = t.run(["pkg-config", "--cflags", "--libs", name], env=described)
        assert flags.status == 0
        assert t.run(["cc", "user.c", "-o", name, *flags.out.split()]).status == 0
        assert t.run([f"./{name}"], env={"LD_LIBRARY_PATH": str(lib)}).out == "ok\n"
    (t.tmp / "CMakeLists.txt").write_text(CMAKE)
    configured = t.run(["cmake", "-S", ".", "-B", "b", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={usr}"], deadline_s=60)
    assert configured.status == 0
    assert t.run(["cmake", "--build", "b"], deadline_s=60).status == 0
    for name in ("coapsule", "core", "coapsule-static", "core-static"):
        assert t.run([f"b/user-{name}"]).out == "ok\n"


def answers(t, argv, command, env):
    """A server that was just built gives a GET 2.05."""
    server = t.start([*argv, "coap://127.0.0.1:0"], ready=r"info listening at=127\.0\.0\.1:(\d+)", env=env)
    done = t.run([command, "get", f"coap://127.0.0.1:{server.port}/temperature"], env=env)
    assert done.status == 0 and 18 <= float(done.out) <= 24, done.describe()


@case("OPS-51", "an example is built by pkg-config and by find_package against what was installed, and answers")
def example_against_installed(t):
    usr = installed(t)
    lib = libraries(usr)
    shutil.copy(t.source / "examples" / "sensor.c", t.tmp)
    env = {"PKG_CONFIG_PATH": str(lib / "pkgconfig"), "LD_LIBRARY_PATH": str(lib)}
    flags = t.run(["pkg-config", "--cflags", "--libs", "coapsule"], env=env)
    assert t.run(["cc", "sensor.c", "-o", "by-pkg-config", *flags.out.split()]).status == 0
    (t.tmp / "CMakeLists.txt").write_text(EXAMPLE)
    assert t.run(["cmake", "-S", ".", "-B", "c", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={usr}"], deadline_s=60).status == 0
    assert t.run(["cmake", "--build", "c"], deadline_s=60).status == 0
    for program in ("./by-pkg-config", "c/by-cmake"):
        answers(t, [program], usr / "bin" / "coapsule", env)


@case("", "bash completes commands, options, keys and files")
def completion(t):
    script = t.source / "packaging" / "completion" / "coapsule.bash"

    def complete(*words):
        text = f'source "{script}"; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _coapsule; echo "${{COMPREPLY[@]}}"'
        done = t.run(["bash", "--norc", "-c", text], env={"PATH": f"{t.bin}:{os.environ['PATH']}", "XDG_STATE_HOME": str(t.tmp)})
        return done.out.split()

    assert t.run([t.command, "key", "new", "phone", "--peer", "door"], env={"XDG_STATE_HOME": str(t.tmp)}).status == 0
    assert complete("coapsule", "ser") == ["serve"] and "proxy" in complete("coapsule", "''")
    assert complete("coapsule", "serve", "--dum") == ["--dump-config"]
    assert complete("coapsule", "get", "--prox") == ["--proxy", "--proxy-uri"]
    assert complete("coapsule", "key", "im") == ["import"] and complete("coapsule", "key", "show", "p") == ["phone"]
    assert complete("coapsule", "key", "import", "pho") == ["phone-for-door.cred"]
    assert complete("coapsule", "serve", "--listen", "pho") == []
    if shutil.which("zsh"):
        assert t.run(["zsh", "-n", script.parent / "_coapsule"]).status == 0


@case("OPS-49", "make install DESTDIR= writes everything below that folder, and what is there works from there")
def make_install(t):
    # A copy of the build folder, so that the tests beside this one keep theirs.
    tree = t.tmp / "tree"
    shutil.copytree(t.source, tree, ignore=shutil.ignore_patterns("build*", ".venv", ".git", "__pycache__", "tests"))
    (tree / "tests").mkdir()
    (tree / "tests" / "CMakeLists.txt").write_text("")
    before = {p.name for p in tree.iterdir()}
    root = t.tmp / "dest"
    env = {"DESTDIR": str(root), "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 2)}
    done = t.run(["make", "-C", tree, "install", "PREFIX=/opt/coapsule"], env=env, deadline_s=300)
    assert done.status == 0
    assert {p.name for p in root.iterdir()} == {"opt"} and (root / "opt" / "coapsule" / "include" / "coapsule").is_dir()
    assert not os.path.exists("/opt/coapsule")
    assert {p.name for p in tree.iterdir()} == before | {"build"}
    command = root / "opt" / "coapsule" / "bin" / "coapsule"
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n  - { path: /lock, kind: lock }\n")
    server = t.start([command, "serve", "door.yaml"], ready=r"ready .*:(\d+)$")
    assert t.run([command, "get", f"coap://127.0.0.1:{server.port}/lock"]).out == "locked"


if __name__ == "__main__":
    run()
