// Bounds of what a folder may contain.

/** UTF-8 bytes of a whole relative path: Linux's PATH_MAX less room for the root. */
export const pathBytesMax = 3072
/** UTF-8 bytes of one name: the limit of ext4, APFS and NTFS (there in UTF-16 units, which is never smaller). */
export const nameBytesMax = 255
/** Names in one path: directory levels below the root, and the last name. */
export const pathDepthMax = 500
/** Copies a folder may aim at. */
export const targetCopiesMax = 16
/** The folder's own directory at its root: marker, temp files, replaced content. Never synced. */
export const folderDirectoryName = '.holdfast'
/** Random bytes that make another author of the same node. */
export const incarnationBytes = 8
/** For so long a node can announce that it will be off: 90 days. */
export const sleepMsMax: number = 90 * 86_400_000
