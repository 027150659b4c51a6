/* fingerprint.h - what this machine is: the "environment" of a result, so that two results can be
 * compared knowing whether they may be.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_FINGERPRINT_H
#define LOADTEST_FINGERPRINT_H

#include "common/base.h"

#include <jansson.h>

/* { "kernel", "cpu", "cores" (this process may use), "cores_online", "cpu_quota_cores" (of its
 * cgroup, or null), "memory_bytes", "governor", "hostname_hash", "sysctl": { … },
 * "open_files_max", "virtualised": "kvm" | null, "clock": { "source", "offset_us": 0,
 * "uncertainty_us": 0, "synchronised" } }. What cannot be found out is null. A new reference.
 * offset_us and uncertainty_us are against the coordinator's clock: with one machine, none. */
json_t *fingerprint_json(void);

/* "AuthenticAMD …KVMKVMKVM" and the like → "kvm", "vmware", …; NULL: not one we know. text: a
 * hypervisor's CPUID signature, or the vendor and product of the DMI table. */
const char *fingerprint_hypervisor(const char *text);

#endif
