// SPDX-License-Identifier: BSD-2-Clause
//
// The suite that holds all others. One test runs at a time: many count this process's open files before and after.

import Testing

@Suite(.serialized) struct SoftDeviceTests {}
