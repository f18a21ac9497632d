/* SPDX-License-Identifier: BSD-2-Clause */
#include <vionet.h>

/* Memory that is shared with a running program. */
static inline uint64_t capture_load(const void *_Nonnull place)
{
	return __atomic_load_n((const uint64_t *)place, __ATOMIC_ACQUIRE);
}
static inline void capture_store(void *_Nonnull place, uint64_t value)
{
	__atomic_store_n((uint64_t *)place, value, __ATOMIC_RELEASE);
}
