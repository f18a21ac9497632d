/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

#include <dirent.h>

int directory_each(const char *path, int (*each)(const char *name, void *user), void *user)
{
	DIR *directory = opendir(path);
	if (directory == NULL)
		return -errno;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (each(entry->d_name, user) != 0)
			break;
	}
	closedir(directory);
	return 0;
}
