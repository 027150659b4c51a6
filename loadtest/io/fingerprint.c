/* SPDX-License-Identifier: Apache-2.0 */
#include "io/fingerprint.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define TEXT_MAX 256

/* The first line of a file, without its end; false: it cannot be read, or is empty. */
static bool read_line(const char *path, char ret[TEXT_MAX])
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool is_read = fgets(ret, TEXT_MAX, f) != NULL;
    (void)fclose(f);
    if (!is_read)
        return false;
    ret[strcspn(ret, "\n")] = '\0';
    return ret[0] != '\0';
}

static json_t *text_or_null(const char *text)
{
    json_t *json = text == NULL ? NULL : json_string(text); /* NULL if it is not UTF-8 */
    return json == NULL ? json_null() : json;
}

static json_t *line_of(const char *path)
{
    char line[TEXT_MAX];
    return text_or_null(read_line(path, line) ? line : NULL);
}

static json_t *kernel(void)
{
    struct utsname u;
    char text[sizeof u.sysname + sizeof u.release + sizeof u.machine + 3];
    if (uname(&u) != 0)
        return json_null();
    (void)snprintf(text, sizeof text, "%s %s %s", u.sysname, u.release, u.machine);
    return text_or_null(text);
}

/* "model name : …" of x86; other architectures say less. */
static json_t *cpu_model(void)
{
    static const char *const keys[] = { "model name", "Model", "Hardware", "cpu model" };
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[TEXT_MAX];
    json_t *found = NULL;
    while (f != NULL && found == NULL && fgets(line, sizeof line, f) != NULL) {
        char *colon = strchr(line, ':');
        if (colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(keys) && found == NULL; i++)
            if (strncmp(line, keys[i], strlen(keys[i])) == 0)
                found = text_or_null(colon + 1 + strspn(colon + 1, " "));
    }
    if (f != NULL)
        (void)fclose(f);
    return found == NULL ? json_null() : found;
}

static json_t *usable_cores(void)
{
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return json_integer(sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : online);
}

/* cpu.max of cgroup v2, of this process' group and those above it: the smallest quota. */
static json_t *cpu_quota(void)
{
    char line[TEXT_MAX], path[2 * TEXT_MAX];
    if (!read_line("/proc/self/cgroup", line) || strncmp(line, "0::", 3) != 0)
        return json_null();
    char *group = line + 3;
    double least = 0;
    for (;;) {
        char quota[TEXT_MAX];
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        double max, period;
        if (read_line(path, quota) && sscanf(quota, "%lf %lf", &max, &period) == 2 && period > 0 &&
            (least == 0 || max / period < least))
            least = max / period;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    return least > 0 ? json_real(least) : json_null();
}

/* Tells machines apart without naming them. */
static json_t *hostname_hash(void)
{
    char name[TEXT_MAX] = "", text[17];
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!read_line("/etc/machine-id", name) && gethostname(name, sizeof name - 1) != 0)
        return json_null();
    char salted[TEXT_MAX + 32];
    (void)snprintf(salted, sizeof salted, "conclave-loadtest %s", name);
    if (EVP_Digest(salted, strlen(salted), digest, NULL, EVP_sha256(), NULL) != 1)
        return json_null();
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return json_string(text);
}

/* What decides about loss between a socket and a wire. */
static json_t *sysctls(void)
{
    static const char *const names[] = {
        "net.core.rmem_max",
        "net.core.rmem_default",
        "net.core.wmem_max",
        "net.core.wmem_default",
        "net.core.netdev_max_backlog",
        "net.core.netdev_budget",
        "net.core.optmem_max",
        "net.core.somaxconn",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.udp_rmem_min",
        "net.ipv4.udp_mem",
        "net.core.default_qdisc",
        "net.netfilter.nf_conntrack_max",
        "kernel.io_uring_disabled",
        "fs.nr_open",
    };
    json_t *all = json_object();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[TEXT_MAX], line[TEXT_MAX], *end;
        int prefix = snprintf(path, sizeof path, "/proc/sys/");
        (void)snprintf(path + prefix, sizeof path - (size_t)prefix, "%s", names[i]);
        for (char *p = path + prefix; *p != '\0'; p++)
            *p = *p == '.' ? '/' : *p;
        if (!read_line(path, line))
            continue; /* this kernel does not have it */
        for (char *p = line; *p != '\0'; p++)
            *p = *p == '\t' ? ' ' : *p;
        long long number = strtoll(line, &end, 10);
        json_t *value = *end == '\0' ? json_integer(number) : text_or_null(line);
        (void)json_object_set_new(all, names[i], value);
    }
    return all;
}

const char *fingerprint_hypervisor(const char *text)
{
    static const struct {
        const char *part, *name;
    } known[] = {
        { "KVMKVMKVM", "kvm" },
        { "Microsoft Hv", "hyper-v" },
        { "VMwareVMware", "vmware" },
        { "XenVMMXenVMM", "xen" },
        { "TCGTCGTCGTCG", "qemu" },
        { "VBoxVBoxVBox", "virtualbox" },
        { "bhyve bhyve", "bhyve" },
        { "ACRNACRNACRN", "acrn" },
        { "Amazon EC2", "amazon-ec2" },
        { "Google", "google-compute" },
        { "KVM", "kvm" },
        { "QEMU", "qemu" },
        { "VMware", "vmware" },
        { "innotek", "virtualbox" },
        { "Xen", "xen" },
        { "Microsoft Corporation Virtual Machine", "hyper-v" },
        { "Parallels", "parallels" },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strstr(text, known[i].part) != NULL)
            return known[i].name;
    return NULL;
}

static bool has_hypervisor_flag(void)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (f != NULL && !found && getline(&line, &capacity, f) > 0)
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
    free(line);
    if (f != NULL)
        (void)fclose(f);
    return found;
}

/* CPUID leaf 0x40000000: twelve characters in ebx, ecx, edx. */
static void hypervisor_signature(char ret[13])
{
    ret[0] = '\0';
#if defined(__x86_64__) || defined(__i386__)
    unsigned eax, words[3];
    __cpuid(0x40000000, eax, words[0], words[1], words[2]);
    (void)eax;
    memcpy(ret, words, sizeof words);
    ret[12] = '\0';
#endif
}

static json_t *virtualised(void)
{
    char vendor[TEXT_MAX] = "", product[TEXT_MAX] = "", text[2 * TEXT_MAX], signature[13] = "";
    bool has_flag = has_hypervisor_flag();
    if (has_flag)
        hypervisor_signature(signature);
    const char *name = fingerprint_hypervisor(signature);
    if (name == NULL) {
        (void)read_line("/sys/class/dmi/id/sys_vendor", vendor);
        (void)read_line("/sys/class/dmi/id/product_name", product);
        (void)snprintf(text, sizeof text, "%s %s", vendor, product);
        name = fingerprint_hypervisor(text);
    }
    if (name == NULL && read_line("/sys/hypervisor/type", text))
        name = text;
    return name != NULL ? text_or_null(name) : has_flag ? json_string("unknown") : json_null();
}

static json_t *clock_facts(void)
{
    struct timex t = { 0 };
    int state = adjtimex(&t);
    json_t *synchronised =
        state < 0 ? json_null() : json_boolean(state != TIME_ERROR && !(t.status & STA_UNSYNC));
    return json_pack("{so si si so}", "source",
                     line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
                     "offset_us", 0, "uncertainty_us", 0, "synchronised", synchronised);
}

static json_t *open_files_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return json_null();
    return json_integer((json_int_t)limit.rlim_cur);
}

json_t *fingerprint_json(void)
{
    json_int_t memory = (json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    json_t *all =
        json_pack("{so so so si so sI so so so so so so}", "kernel", kernel(), "cpu", cpu_model(),
                  "cores", usable_cores(), "cores_online", (int)sysconf(_SC_NPROCESSORS_ONLN),
                  "cpu_quota_cores", cpu_quota(), "memory_bytes", memory, "governor",
                  line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), "hostname_hash",
                  hostname_hash(), "sysctl", sysctls(), "open_files_max", open_files_max(),
                  "virtualised", virtualised(), "clock", clock_facts());
    check(all != NULL);
    return all;
}
