/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

#include <dirent.h>

int directory_open(const char *path, void **directory)
{
	*directory = opendir(path);
	return *directory == NULL ? -errno : 0;
}

const char *directory_next(void *directory)
{
	struct dirent *entry;
	do
		entry = readdir(directory);
	while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry == NULL ? NULL : entry->d_name;
}

void directory_close(void *directory)
{
	closedir(directory);
}
