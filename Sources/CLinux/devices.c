/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

/* The list of what VFIO_IOMMU_GET_INFO has to say begins at cap_offset; each entry names the offset of the next. */
static const struct vfio_iommu_type1_info_cap_iova_range *iova_ranges(const char *info, uint32_t length)
{
	uint32_t at = ((const struct vfio_iommu_type1_info *)info)->cap_offset;
	for (int left = 16; left > 0 && at != 0 && at + sizeof(struct vfio_iommu_type1_info_cap_iova_range) <= length; left--) {
		const struct vfio_iommu_type1_info_cap_iova_range *found = (const void *)(info + at);
		if (found->header.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
			uint64_t end = at + sizeof(*found) + found->nr_iovas * sizeof(found->iova_ranges[0]);
			return found->nr_iovas > 0 && end <= length ? found : NULL;
		}
		at = found->header.next;
	}
	return NULL;
}

int vfio_reaches(int container, uint64_t first, uint64_t last, uint64_t *end)
{
	_Alignas(8) char room[2048] = {0};
	struct vfio_iommu_type1_info *info = (void *)room;
	info->argsz = sizeof(room);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, info) < 0 || !(info->flags & VFIO_IOMMU_INFO_CAPS))
		return 1;
	const struct vfio_iommu_type1_info_cap_iova_range *ranges = iova_ranges(room, sizeof(room));
	if (ranges == NULL)
		return 1;
	*end = ranges->iova_ranges[ranges->nr_iovas - 1].end;
	for (uint32_t i = 0; i < ranges->nr_iovas; i++)
		if (first >= ranges->iova_ranges[i].start && last <= ranges->iova_ranges[i].end)
			return 1;
	return 0;
}
