/* fail_alloc.h - makes the nth allocation fail, to see that nothing breaks when memory runs out.
 *
 * Link with fail_alloc_dep: malloc, calloc, realloc and strdup of our objects go through it, and
 * jansson's too. What other shared libraries allocate is not touched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_FAIL_ALLOC_H
#define UNIT_FAIL_ALLOC_H

/* The nth allocation from now on fails, once; 1 is the next one, 0 none. */
void fail_alloc_at(unsigned nth);

/* Runs body with its 1st, 2nd, … allocation failing until it makes no more of them, then once
 * without failure. body checks for itself that it got an error or a right result, and leaks
 * nothing. Returns how many allocations were failed, so that a test can see that there were any. */
unsigned fail_alloc_each(void (*body)(void *data), void *data);

#endif
