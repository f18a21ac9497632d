/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions whose bodies are in vionet.h, as symbols of the library. C and C++ programs compile their own; Python, Rust
 * and others can only call what is exported.
 */
#define VIONET_INLINE
#include "../../include/vionet.h"
