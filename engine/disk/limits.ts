// Bounds of what a folder may contain, and the names of what Holdfast itself keeps in it.

/** UTF-8 bytes of a whole relative path: Linux's PATH_MAX less room for the root. */
export const pathBytesMax = 3072
/** UTF-8 bytes of one name: the limit of ext4, APFS and NTFS (there in UTF-16 units, which is never smaller). */
export const nameBytesMax = 255
/** Directory levels below the root. */
export const pathDepthMax = 500
/** The folder's own directory: marker, temp files, replaced content. Never synced. */
export const folderDirectoryName = '.holdfast'
export const markerName = 'folder.json'
export const temporaryDirectoryName = 'temp'
export const replacedDirectoryName = 'replaced'
export const ignoreFileName = '.holdfastignore'
