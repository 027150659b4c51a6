#!/usr/bin/env python3
"""The layering test: what the pure libraries may call is written here, and nothing else is.

Reads the undefined symbols of each pure static library in a build directory (without sanitizers),
takes away what the pure libraries define themselves, and compares the rest with an allow-list.
One malloc in a core, one clock_gettime in lib/rtc, and this test fails.

usage: purity.py BUILD_DIR. SPDX-License-Identifier: Apache-2.0
"""
import glob
import re
import subprocess
import sys

# Plain memory and string functions of libc: no state, no system call.
C_LIBRARY = r"""memcpy memmove memset memcmp memchr memmem memrchr strlen strcmp strncmp strchr strrchr strnlen strstr strspn strcspn strpbrk
strcasecmp strncasecmp snprintf vsnprintf __snprintf_chk __vsnprintf_chk __memcpy_chk __memmove_chk __memset_chk __strcpy_chk
bsearch qsort strtol strtoul strtoull strtoll strtod abort __stack_chk_fail __isoc99_sscanf isalnum isdigit isspace isxdigit
__ctype_b_loc tolower toupper __ctype_tolower_loc __ctype_toupper_loc log log2 log10 pow exp sqrt floor ceil lround llround
__assert_fail _GLOBAL_OFFSET_TABLE_ fprintf __fprintf_chk stderr fwrite fputs strerror time_r gmtime_r timegm strftime explicit_bzero
htons htonl ntohs ntohl inet_pton inet_ntop bcmp fmod round trunc fabs exp2 __errno_location""".split()
# What compilers call for an operation that the machine has no instruction for (libgcc, compiler-rt): pure.
COMPILER = [r"__(popcount|parity|ffs|clz|ctz|bswap)[sdt]i2", r"__u?(div|mod|divmod)[dt]i[34]", r"__mul[dt]i3", r"__(ash|lsh)[rl][dt]i3"]
# Allocation: for what lives as long as a process, a participant or a request; never per packet (tests prove that).
MEMORY = "malloc calloc realloc free strdup strndup aligned_alloc posix_memalign".split()
CRYPTO = [r"(EVP|HMAC|SHA1|SHA256|SHA512|BN|BIO|SSL|DTLS|TLS|DTLSv1|ERR|X509|ASN1|OPENSSL|CRYPTO|RAND|EC|ECDSA|PEM|OSSL|OBJ|i2d|d2i|sk|X509V3)_\w+",
          r"(SSLv23|DTLS)\w*method", r"SHA1|SHA256|SHA512|HMAC|PKCS5_\w+|DTLSv1_\w+"]
# ipsec-mb, which asks the CPU what it can; its one global is a number of its last error.
CRYPTO += [r"(alloc|free)_mb_mgr|init_mb_mgr_\w+|imb_\w+"]
JSON = [r"json_\w+", r"jansson_\w+"]

# The load tester's core: text, numbers and media through libraries that only turn bytes into bytes. libsrtp and libopus
# allocate for themselves. No socket, clock, thread or file.
BOTS = [r"asprintf|__asprintf_chk", r"sin|cos|fmin|fmax", r"yaml_\w+", r"opus_\w+", r"srtp_\w+"]

# SCTP of data channels: a library without threads (usrsctp_init_nothreads) and sockets (AF_CONN) of its own, but with a global
# state and a look at the wall clock. Both belong to the association thread; core/sctp alone knows it.
SCTP = [r"usrsctp_\w+"]

ALLOWED = {
    "lib/common/libcommon.a": C_LIBRARY + MEMORY + CRYPTO + JSON,
    "lib/rtc/librtc.a": C_LIBRARY + MEMORY + CRYPTO,
    "services/sfud/core/libsfud_core.a": C_LIBRARY + MEMORY + CRYPTO + SCTP,
    "services/signald/libsignald_core.a": C_LIBRARY + MEMORY + CRYPTO + JSON,
    "services/authd/libauthd_core.a": C_LIBRARY + MEMORY + CRYPTO + JSON,
    "services/auditd/libauditd_core.a": C_LIBRARY + MEMORY + CRYPTO + JSON,
    "loadtest/libloadtest_core.a": C_LIBRARY + MEMORY + CRYPTO + JSON + BOTS,
}


def symbols(library, kind):
    output = subprocess.run(["nm", "-P", *kind, library], check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in output.splitlines() if len(line.split()) > 1}


def main():
    build = sys.argv[1]
    failed = False
    known = set()
    for library in ALLOWED:
        paths = glob.glob(f"{build}/{library}")
        if not paths:
            sys.exit(f"{build}/{library} is not built")
        known |= symbols(paths[0], ["--defined-only"])
    for library, allowed in ALLOWED.items():
        pattern = re.compile("|".join(f"(?:{p})" for p in allowed + COMPILER))
        foreign = sorted(s for s in symbols(f"{build}/{library}", ["-u"]) - known if not pattern.fullmatch(s))
        if foreign:
            failed = True
            print(f"{library} may not use: {' '.join(foreign)}")
    print("layering: broken" if failed else f"layering: {len(ALLOWED)} pure libraries keep to their lists")
    sys.exit(failed)


if __name__ == "__main__":
    main()
