/* SPDX-License-Identifier: BSD-2-Clause */
/* lwIP's web server has no files of its own here. */
#define FS_ROOT ((const struct fsdata_file *)NULL)
